using Microsoft.ML.Hdrq.Tool.Charts;
using OxyPlot;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class LineChartTests
{
    private static readonly OxyColor _first = OxyColor.FromRgb(0x00, 0x72, 0xB2);
    private static readonly OxyColor _second = OxyColor.FromRgb(0xE6, 0x9F, 0x00);

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Points_and_error_bars_are_where_their_values_are(bool percent)
    {
        // A line from corner to corner is the ruler for the point in the middle.
        var chart = new LineChart("Title",
            [new("ruler", [new(2, 0), new(8, 100)]), new("point", [new(6.5, 30, 20)])])
        { Percent = percent };
        using var image = ChartImage.Decode(chart.ToPng());
        var plot = new SKRectI(0, 160, image.Width, image.Height);
        var ruler = image.Box(plot, _first)!.Value;
        var point = image.Box(plot, _second)!.Value;
        Assert.IsGreaterThan(image.Height / 2, ruler.Height);

        // The markers at the ruler's ends are 22 pixels wide, less their white border.
        var marker = 21;
        var (width, height) = (ruler.Width - marker, ruler.Height - marker);
        Assert.AreEqual(0.75, ((point.Left + point.Right - marker) / 2.0 - ruler.Left) / width, 0.01);
        Assert.AreEqual(0.3, (ruler.Bottom - marker / 2.0 - (point.Top + point.Bottom) / 2.0) / height, 0.01);
        Assert.AreEqual(0.4, (double)point.Height / height, 0.01);
    }

    [TestMethod]
    public void Each_series_is_in_the_legend_once()
    {
        ChartLine[] lines = [new("a", [new(0, 1, 1)]), new("b", [new(1, 1, 1)])];
        using var image = ChartImage.Decode(new LineChart("Title", lines).ToPng());
        var legend = new SKRectI(0, 110, image.Width, 160);
        Assert.IsGreaterThan(image.Box(legend, _first)!.Value.Right, image.Box(legend, _second)!.Value.Left);
        var names = image.Text(legend)!.Value;
        Assert.IsTrue(names.Left > image.Box(legend, _first)!.Value.Right && names.Width < 200, $"The names are {names}.");
    }

    [TestMethod]
    public void Arguments_and_values_have_titles()
    {
        ChartLine[] lines = [new("a", [new(2, 10), new(8, 90)])];
        using var bare = ChartImage.Decode(new LineChart("Title", lines).ToPng());
        using var titled = ChartImage.Decode(
            new LineChart("Title", lines) { ArgumentTitle = "Bits", ValueTitle = "Accuracy" }.ToPng());
        Assert.IsLessThan(bare.Box(new SKRectI(0, 160, bare.Width, bare.Height), _first)!.Value.Height - 20,
            titled.Box(new SKRectI(0, 160, bare.Width, bare.Height), _first)!.Value.Height);
        Assert.IsGreaterThan(100, titled.Text(new SKRectI(0, 160, 90, 900))!.Value.Height);
    }

    [TestMethod]
    public void Equal_values_can_be_drawn()
    {
        using var image = ChartImage.Decode(new LineChart("Title", [new("a", [new(3, 0.5)])]) { Percent = false }.ToPng());
        Assert.IsNotNull(image.Box(new SKRectI(0, 160, image.Width, image.Height), _first));
    }

    [TestMethod]
    public void What_cannot_be_shown_is_refused()
    {
        Refuses("The chart 'Title' has no points");
        Refuses("The chart 'Title' has no points", new ChartLine("a", []));
        Refuses("series 'a'", new ChartLine("a", [new(double.NaN, 1)]));
        Refuses("series 'a'", new ChartLine("a", [new(1, double.PositiveInfinity)]));
        Refuses("series 'a'", new ChartLine("a", [new(1, 1, -1)]));
    }

    private static void Refuses(string part, params ChartLine[] series) =>
        Assert.Contains(part, Assert.ThrowsExactly<ArgumentException>(() => new LineChart("Title", series)).Message);
}
