using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;
using Microsoft.ML.Hdrq.Tool.Tests.Charts;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Segmentation.Sheets;

[TestClass]
public sealed class ContactSheetTests
{
    private const int Width = 8;
    private const int Height = 4;

    [TestMethod]
    public void Every_picture_stands_in_its_row_and_column_enlarged_and_unblurred()
    {
        // A colour of its own for each picture, with a corner of another.
        var colours = Enumerable.Range(0, 6)
            .Select(cell => new SKColor((byte)(200 - 20 * cell), 100, (byte)(120 + 20 * cell))).ToArray();
        var sheet = new ContactSheet(
            ["one", "two"], [Row("day", 0), Row("day", 2), Row("dusk", 4)], Width, Height,
            [("road", new(255, 0, 0)), ("sky", new(0, 0, 255))]);
        using var image = ChartImage.Decode(sheet.ToPng());
        var boxes = colours.Select(colour => Box(image, colour)).ToArray();
        for (var cell = 0; cell < 6; cell++)
        {
            Assert.AreEqual(boxes[0].Left + cell % 2 * (boxes[1].Left - boxes[0].Left), boxes[cell].Left);
            Assert.AreEqual(boxes[0].Top + cell / 2 * (boxes[2].Top - boxes[0].Top), boxes[cell].Top);
            Assert.AreEqual((boxes[0].Width, boxes[0].Height), (boxes[cell].Width, boxes[cell].Height));
        }
        Assert.AreEqual(boxes[0].Width * Height, boxes[0].Height * Width);
        Assert.IsGreaterThanOrEqualTo(180, boxes[0].Width);
        Assert.IsGreaterThan(boxes[0].Right, boxes[1].Left);
        // Titles: above each column, and before the first row of each domain only.
        Assert.IsNotNull(image.Text(new(boxes[0].Left, 0, boxes[0].Right, boxes[0].Top)));
        Assert.IsNotNull(image.Text(new(boxes[1].Left, 0, boxes[1].Right, boxes[0].Top)));
        Assert.IsNotNull(image.Text(new(0, boxes[0].Top, boxes[0].Left, boxes[0].Bottom)));
        Assert.IsNull(image.Text(new(0, boxes[2].Top, boxes[2].Left, boxes[2].Bottom)));
        Assert.IsNotNull(image.Text(new(0, boxes[4].Top, boxes[4].Left, boxes[4].Bottom)));
        // The key, below.
        Assert.IsGreaterThan(boxes[4].Bottom, Box(image, SKColors.Red).Top);
        Assert.IsGreaterThan(Box(image, SKColors.Red).Right, Box(image, SKColors.Blue).Left);

        SheetRow Row(string title, int first) => new(title, [Picture(colours[first]), Picture(colours[first + 1])]);
    }

    [TestMethod]
    public void A_long_key_takes_several_lines_within_the_sheet()
    {
        var key = Enumerable.Range(0, 30)
            .Select(index => ($"a class of number {index}", new MaskColor(255, (byte)(8 * index), 0))).ToArray();
        using var image = ChartImage.Decode(
            new ContactSheet(["one"], [new("day", [Picture(SKColors.Gray)])], Width, Height, key).ToPng());
        var boxes = key.Select(entry => Box(image, new SKColor(entry.Item2.Red, entry.Item2.Green, entry.Item2.Blue)))
            .ToArray();
        Assert.IsTrue(boxes.All(box => box.Width == boxes[0].Width && box.Height == boxes[0].Height));
        Assert.IsGreaterThan(boxes[0].Top, boxes[^1].Top);
    }

    private static SKRectI Box(ChartImage image, SKColor colour) =>
        image.Box(new(0, 0, image.Width, image.Height),
        OxyPlot.OxyColor.FromRgb(colour.Red, colour.Green, colour.Blue))!.Value;

    private static byte[] Picture(SKColor colour) =>
        [.. Enumerable.Repeat(new[] { colour.Red, colour.Green, colour.Blue }, Width * Height)
        .SelectMany(pixel => pixel)];
}
