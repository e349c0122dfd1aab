using System.Text;
using System.Xml.Linq;
using Microsoft.ML.Hdrq.Tool.Charts;
using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class ChartTests
{
    private static readonly XNamespace _svg = "http://www.w3.org/2000/svg";

    [TestMethod]
    public void A_PNG_has_two_pixels_per_logical_pixel()
    {
        using var image = ChartImage.Decode(Example().ToPng());
        Assert.AreEqual((1920, 1080), (image.Width, image.Height));
    }

    [TestMethod]
    public void An_SVG_has_outlines_and_no_text()
    {
        var root = XDocument.Parse(Encoding.UTF8.GetString(Example().ToSvg())).Root!;
        Assert.AreEqual(_svg + "svg", root.Name);
        Assert.AreEqual("0 0 960 540", root.Attribute("viewBox")!.Value);
        Assert.AreEqual("Merged & <quantized>", root.Element(_svg + "title")!.Value);
        Assert.IsEmpty(root.Descendants(_svg + "text"));
        Assert.IsEmpty(root.DescendantsAndSelf().Attributes()
            .Where(attribute => attribute.Name.LocalName.StartsWith("font", StringComparison.Ordinal)));

        // The outline of "Merged & <quantized>" has its own contours and those of the holes in e, g, d, &, q, a, d.
        var outlines = root.Descendants(_svg + "path")
            .Select(path => path.Attribute("d")!.Value.Count(command => command == 'M')).ToList();
        Assert.Contains(count => count >= 20, outlines);
        // Title, two series, two groups, four values, six numbers of the axis and its title.
        Assert.IsGreaterThanOrEqualTo(16, outlines.Count);
    }

    [TestMethod]
    public void A_chart_drawn_twice_gives_the_same_bytes()
    {
        CollectionAssert.AreEqual(Example().ToPng(), Example().ToPng());
        CollectionAssert.AreEqual(Example().ToSvg(), Example().ToSvg());
        CollectionAssert.AreNotEqual(Example().ToSvg(), Example(61).ToSvg());
    }

    [TestMethod]
    public void What_an_SVG_refers_to_is_there_once()
    {
        var attributes = XDocument.Parse(Encoding.UTF8.GetString(Example().ToSvg())).Descendants().Attributes().ToList();
        var identifiers = attributes.Where(attribute => attribute.Name == "id")
            .Select(attribute => $"url(#{attribute.Value})").ToArray();
        var references = attributes.Select(attribute => attribute.Value)
            .Where(value => value.StartsWith("url(", StringComparison.Ordinal)).Distinct().ToArray();
        Assert.IsGreaterThan(1, references.Length);
        CollectionAssert.AllItemsAreUnique(identifiers);
        CollectionAssert.IsSubsetOf(references, identifiers);
    }

    [TestMethod]
    public void Files_are_replaced()
    {
        using var folder = new TemporaryDirectory();
        var (png, vector) = (folder.Combine("new", "chart.png"), folder.Combine("new", "chart.svg"));
        foreach (var chart in new[] { Example(), Example(61) })
        {
            chart.SavePng(png);
            chart.SaveSvg(vector);
            CollectionAssert.AreEqual(chart.ToPng(), File.ReadAllBytes(png));
            CollectionAssert.AreEqual(chart.ToSvg(), File.ReadAllBytes(vector));
        }
        Assert.HasCount(2, Directory.GetFileSystemEntries(folder.Combine("new")));
    }

    [TestMethod]
    public void A_file_stays_when_the_new_one_fails()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("chart.svg");
        Example().SaveSvg(path);
        var bad = new GroupedBarChart("Title", ["a"], [new("b", [1])]) { ShowValues = true, ValueFormat = "Q" };
        Assert.ThrowsExactly<FormatException>(() => bad.SaveSvg(path));
        CollectionAssert.AreEqual(Example().ToSvg(), File.ReadAllBytes(path));

        Directory.CreateDirectory(folder.Combine("folder.svg"));
        try
        {
            Example().SaveSvg(folder.Combine("folder.svg"));
            Assert.Fail("A folder was replaced by a file.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Assert.HasCount(2, Directory.GetFileSystemEntries(folder.Path));
        }
    }

    [TestMethod]
    public void A_fault_in_the_plot_is_not_drawn_but_thrown()
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => new FaultyChart().ToPng());
        Assert.Contains("'Faulty' could not be drawn", error.Message);
        Assert.IsNotNull(error.InnerException);
    }

    private static GroupedBarChart Example(double value = 60) =>
        new("Merged & <quantized>", ["fog + night", "all three"],
            [new("QDrop", [value, 50]), new("HDRQ", [72.5, 70])])
        { ValueTitle = "Accuracy, %", ShowValues = true };

    private sealed class FaultyChart() : Chart("Faulty")
    {
        protected override ValueExtent Values(OxySize area) => new(0, 1, 0, 0);

        protected override void AddTo(PlotModel model, OxySize area) =>
            model.Series.Add(new LineSeries { YAxisKey = "no such axis" });
    }
}
