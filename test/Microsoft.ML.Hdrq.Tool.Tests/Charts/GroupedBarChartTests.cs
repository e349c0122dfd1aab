using Microsoft.ML.Hdrq.Tool.Charts;
using OxyPlot;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class GroupedBarChartTests
{
    private static readonly OxyColor _first = OxyColor.FromRgb(0x00, 0x72, 0xB2);
    private static readonly OxyColor _second = OxyColor.FromRgb(0xE6, 0x9F, 0x00);
    private static readonly string[] _groups = ["fog + night", "fog + noise", "all three"];

    [TestMethod]
    public void Bars_are_as_high_as_their_values()
    {
        using var image = Draw(new GroupedBarChart(
            "Title", _groups, [new("QDrop", [50, 25, 10]), new("HDRQ", [100, 75, 1])]));
        var heights = image.Bars(_second).Concat(image.Bars(_first)).Select(bar => bar.Height).ToArray();
        Assert.HasCount(6, heights);
        // The axis of 0 to 100 takes most of the picture.
        Assert.IsGreaterThan(image.Height * 0.65, heights[0]);
        foreach (var (height, value) in heights.Zip([100.0, 75, 1, 50, 25, 10]))
            Assert.AreEqual(heights[0] * value / 100, height, 1.5);
    }

    [TestMethod]
    public void Groups_and_series_stand_in_order()
    {
        using var image = Draw(new GroupedBarChart(
            "Title", _groups, [new("QDrop", [50, 25, 10]), new("HDRQ", [100, 75, 1])]));
        var bars = image.Bars(_first).Zip(image.Bars(_second)).SelectMany(pair => new[] { pair.First, pair.Second })
            .ToArray();
        for (var index = 1; index < bars.Length; index++)
        {
            var gap = bars[index].Left - bars[index - 1].Right;
            Assert.IsTrue(index % 2 == 1 ? gap is > 0 and < 20 : gap > 60, $"Gap {index} is {gap} pixels.");
        }
    }

    [TestMethod]
    public void A_gap_keeps_the_place_of_its_bar()
    {
        using var whole = Draw(new GroupedBarChart(
            "Title", _groups, [new("QDrop", [50, 25, 10]), new("HDRQ", [90, 75, 40])]));
        using var gaps = Draw(new GroupedBarChart(
            "Title", _groups, [new("QDrop", [null, 25, null]), new("HDRQ", [90, null, 40])]));
        CollectionAssert.AreEqual(whole.Bars(_first)[1..2], gaps.Bars(_first));
        CollectionAssert.AreEqual(new[] { whole.Bars(_second)[0], whole.Bars(_second)[2] }, gaps.Bars(_second));
    }

    [TestMethod]
    public void The_axis_of_values_is_percent_or_fits_them()
    {
        using var percent = Draw(new GroupedBarChart("Title", _groups, [new("QDrop", [20, 10, 5])]));
        using var automatic = Draw(new GroupedBarChart("Title", _groups, [new("QDrop", [20, 10, 5])]) { Percent = false });
        Assert.AreEqual(5, (double)automatic.Bars(_first)[0].Height / percent.Bars(_first)[0].Height, 0.1);
        Assert.AreEqual(0.5, (double)automatic.Bars(_first)[1].Height / automatic.Bars(_first)[0].Height, 0.01);
    }

    [TestMethod]
    public void Negative_values_hang_below_zero()
    {
        using var image = Draw(new GroupedBarChart(
            "Title", ["a", "b"], [new("up", [4, null]), new("down", [null, -2])])
        { Percent = false });
        var up = image.Bars(_first).Single();
        var down = image.Bars(_second).Single();
        Assert.IsLessThan(3, Math.Abs(down.Top - up.Bottom), "Both start at zero, up to its line.");
        Assert.AreEqual(0.5, (double)down.Height / up.Height, 0.01);
    }

    [TestMethod]
    public void Title_legend_and_names_are_where_they_belong()
    {
        using var image = Draw(new GroupedBarChart(
            "Merged networks", _groups,
            [new("QDrop", [50, 25, 10]), new("HDRQ", [95, 75, 20])])
        { ValueTitle = "Accuracy, %" });
        var bars = (First: image.Bars(_first), Second: image.Bars(_second));
        var plot = new SKRectI(bars.First[0].Left, bars.Second[0].Top, bars.Second[2].Right, bars.Second[0].Bottom);

        var title = Text(image, 0, 0, image.Width, 110);
        Assert.AreEqual(image.Width / 2, (title.Left + title.Right) / 2.0, 3);
        Assert.IsTrue(title.Width is > 300 and < 600 && title.Height is > 25 and < 60,
            $"The title is {title.Width} x {title.Height}.");

        var symbols = Array.ConvertAll(
            [_first, _second], color => image.Box(new SKRectI(0, 0, image.Width, plot.Top - 10), color)!.Value);
        foreach (var (symbol, end) in symbols.Zip([symbols[1].Left, image.Width]))
        {
            var name = Text(image, symbol.Right, symbol.Top - 5, end, symbol.Bottom + 5);
            Assert.IsTrue(name.Left - symbol.Right is > 5 and < 30 && name.Width is > 50 and < 150,
                $"The name of a series is {name}.");
        }

        for (var group = 0; group < _groups.Length; group++)
        {
            var (left, right) = (bars.First[group].Left, bars.Second[group].Right);
            var name = Text(image, left - 40, plot.Bottom + 4, right + 40, image.Height);
            Assert.AreEqual((left + right) / 2.0, (name.Left + name.Right) / 2.0, 4);
        }

        // Numbers of the axis, and left of them its title, upended.
        var numbers = Text(image, 90, plot.Top - 60, 158, image.Height);
        Assert.IsTrue(numbers.Top < plot.Top && numbers.Bottom > plot.Bottom,
            $"The numbers are {numbers}, the plot {plot}.");
        var valueTitle = Text(image, 0, 0, 90, image.Height);
        Assert.IsGreaterThan(5 * valueTitle.Width, valueTitle.Height);
    }

    [TestMethod]
    [DataRow(true, true)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void Values_stand_over_their_bars_inside_the_picture(bool shown, bool percent)
    {
        using var image = Draw(new GroupedBarChart(
            "Title", _groups, [new("QDrop", [100, 40, 0.5])])
        { ShowValues = shown, Percent = percent });
        foreach (var bar in image.Bars(_first))
        {
            var label = image.Text(new SKRectI(bar.Left, bar.Top - 40, bar.Right, bar.Top));
            Assert.AreEqual(shown, label.HasValue);
            if (label is { } box)
            {
                Assert.AreEqual((bar.Left + bar.Right) / 2.0, (box.Left + box.Right) / 2.0, 4);
                Assert.IsTrue(box.Height is > 15 and < 25 && box.Top > bar.Top - 40, $"A label is {box}.");
            }
        }
    }

    [TestMethod]
    public void A_name_that_fits_nowhere_is_aslant_and_cut()
    {
        var name = new string('m', 100);
        using var image = Draw(new GroupedBarChart("Title", [name, "b", "c", "d"], [new("QDrop", [100, 100, 100, 100])]));
        var bar = image.Bars(_first)[0];
        Assert.IsGreaterThan(image.Height / 2, bar.Height);
        var label = Text(image, 0, bar.Bottom + 4, (bar.Left + bar.Right) / 2 + 10, image.Height - 4);
        Assert.IsTrue(label.Left > 0 && label.Height > 100, $"The label is {label}.");
    }

    [TestMethod]
    public void What_cannot_be_shown_is_refused()
    {
        Refuses("has no groups", [], [new("QDrop", [])]);
        Refuses("has no values", _groups, []);
        Refuses("has no values", _groups, [new("QDrop", [null, null, null])]);
        Refuses("has 3 groups, its series 'QDrop' 2 values", _groups, [new("QDrop", [1, 2])]);
        Refuses("A value of the series 'QDrop' of the chart 'Title' is not finite", _groups,
            [new("QDrop", [1, double.NaN, 2])]);
        Assert.ThrowsExactly<ArgumentException>(() => new GroupedBarChart(" ", _groups, [new("QDrop", [1, 2, 3])]));
    }

    private static void Refuses(string part, string[] categories, ChartBars[] series) =>
        Assert.Contains(part, Assert.ThrowsExactly<ArgumentException>(
            () => new GroupedBarChart("Title", categories, series)).Message);

    private static SKRectI Text(ChartImage image, int left, int top, int right, int bottom) =>
        image.Text(new SKRectI(left, top, right, bottom))
            ?? throw new AssertFailedException($"There is no text in ({left}, {top}) to ({right}, {bottom}).");

    private static ChartImage Draw(GroupedBarChart chart) => ChartImage.Decode(chart.ToPng());
}
