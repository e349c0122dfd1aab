using Microsoft.ML.Hdrq.Tool.Charts;
using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

/// <summary>
/// Text has the shapes of Open Sans, whose tables (2048 units per em) give the expected numbers: read with fontTools
/// from the font as published, not from our subset.
/// </summary>
[TestClass]
public sealed class OutlineRenderContextTests
{
    private const int Size = 700;

    /// <summary>A tenth of a pixel for a unit of the font.</summary>
    private const double FontSize = 204.8;

    private const double Ascent = 218.9;
    private const double LineHeight = 278.9;

    [TestMethod]
    [DataRow("H", 400.0, 151.1, 20.1, 131.1, -146.2, 0.0)]
    [DataRow("H", 700.0, 153.8, 19.3, 134.6, -146.2, 0.0)]
    [DataRow("W", 400.0, 189.6, 2.7, 186.8, -146.2, 0.0)]
    [DataRow("Äg", 400.0, 241.8, 0.0, 236.9, -182.9, 49.2)]
    [DataRow("?", 400.0, 87.9, 2.7, 82.5, -148.3, 2.9)]
    public void Text_is_measured_and_drawn_with_the_font_of_the_charts(
        string text, double weight, double advance, double left, double right, double top, double bottom)
    {
        var (size, box) = Draw(text, weight: weight);
        Assert.AreEqual(advance, size.Width, 0.1);
        Assert.AreEqual(LineHeight, size.Height, 0.1);
        AreClose(100 + left, 100 + Ascent + top, 100 + right, 100 + Ascent + bottom, box);
    }

    [TestMethod]
    public void Installed_fonts_are_not_used()
    {
        // On a machine without fonts there is none to be tempted by; the numbers above hold there too.
        using var reference = Picture("7.4 %", family: null);
        foreach (var family in SKFontManager.Default.FontFamilies.Append("Segoe UI").Append("no such font"))
        {
            using var picture = Picture("7.4 %", family);
            Assert.IsTrue(picture.GetPixelSpan().SequenceEqual(reference.GetPixelSpan()), family);
        }
    }

    [TestMethod]
    public void Text_is_aligned_by_its_measure()
    {
        // "H": 151.1 wide.
        AreClose(100 + 20.1 - 75.55, 100 + Ascent - 146.2, 100 + 131.1 - 75.55, 100 + Ascent,
            Draw("H", horizontal: HorizontalAlignment.Center).Box);
        AreClose(200 + 20.1 - 151.1, 100 + Ascent - 146.2, 200 + 131.1 - 151.1, 100 + Ascent,
            Draw("H", 200, horizontal: HorizontalAlignment.Right).Box);
        var baseline = 400 + Ascent - LineHeight;
        AreClose(120.1, baseline - 146.2, 231.1, baseline, Draw("H", 100, 400, vertical: VerticalAlignment.Bottom).Box);
        baseline = 400 + Ascent - LineHeight / 2;
        AreClose(120.1, baseline - 146.2, 231.1, baseline, Draw("H", 100, 400, vertical: VerticalAlignment.Middle).Box);
    }

    [TestMethod]
    public void Text_turns_around_its_position()
    {
        // Upended: to the right becomes up, down becomes to the right.
        AreClose(100 + Ascent - 146.2, 400 - 131.1, 100 + Ascent, 400 - 20.1, Draw("H", 100, 400, rotation: -90).Box);
        AreClose(400 - Ascent, 100 + 20.1, 400 - Ascent + 146.2, 100 + 131.1, Draw("H", 400, 100, rotation: 90).Box);
    }

    [TestMethod]
    [DataRow("H\nWW")]
    [DataRow("H\r\nWW")]
    public void Lines_stand_below_each_other_each_aligned(string text)
    {
        var (size, box) = Draw(text);
        Assert.AreEqual(2 * 189.6, size.Width, 0.1);
        Assert.AreEqual(2 * LineHeight, size.Height, 0.1);
        AreClose(102.7, 100 + Ascent - 146.2, 100 + 189.6 + 186.8, 100 + LineHeight + Ascent, box);

        // The first line alone is in the upper half.
        using var picture = Picture(text, family: null, 600, horizontal: HorizontalAlignment.Right);
        using var image = new ChartImage(picture);
        AreClose(600 - 131.0, 100 + Ascent - 146.2, 600 - 20.0, 100 + Ascent,
            image.Text(new SKRectI(0, 0, Size, 100 + (int)Ascent + 20)));
    }

    [TestMethod]
    public void Scale_enlarges_what_is_drawn_and_not_what_is_measured()
    {
        var (size, box) = Draw("H", 50, 50, scale: 2);
        Assert.AreEqual(151.1, size.Width, 0.1);
        AreClose(100 + 40.2, 100 + 2 * (Ascent - 146.2), 100 + 262.2, 100 + 2 * Ascent, box);
    }

    [TestMethod]
    public void What_the_font_lacks_is_a_question_mark()
    {
        // Half a surrogate pair does not survive as a data row.
        foreach (var (text, shown) in new[] { ("中", "?"), ("a\U0001F600b", "a?b"), ("a\uD800", "a?"), ("a\tb", "a b") })
        {
            using var expected = Picture(shown, family: null);
            using var actual = Picture(text, family: null);
            Assert.IsTrue(actual.GetPixelSpan().SequenceEqual(expected.GetPixelSpan()), shown);
        }
    }

    [TestMethod]
    public void Nothing_takes_no_room()
    {
        Assert.AreEqual(OxySize.Empty, Draw("").Size);
        Assert.IsNull(Draw("").Box);
        Assert.IsNull(Draw("H", color: OxyColors.Undefined).Box);
    }

    private static void AreClose(double left, double top, double right, double bottom, SKRectI? box)
    {
        Assert.IsNotNull(box);
        // Pixels that the outline covers only in part may be too light to count.
        foreach (var (expected, actual) in new[] { left, top, right, bottom }.Zip(
            [box.Value.Left, box.Value.Top, box.Value.Right, box.Value.Bottom]))
            Assert.AreEqual(expected, actual, 1.01, $"({left}, {top}) to ({right}, {bottom}) was expected, not {box}.");
    }

    private static (OxySize Size, SKRectI? Box) Draw(
        string text, double x = 100, double y = 100, double weight = 400, double rotation = 0,
        HorizontalAlignment horizontal = HorizontalAlignment.Left,
        VerticalAlignment vertical = VerticalAlignment.Top, float scale = 1, OxyColor? color = null)
    {
        using var context = new OutlineRenderContext { DpiScale = scale };
        using var image = new ChartImage(
            Picture(text, family: null, x, y, weight, rotation, horizontal, vertical, scale, color));
        return (((IRenderContext)context).MeasureText(text, null, FontSize, weight),
            image.Text(new SKRectI(0, 0, Size, Size)));
    }

    private static SKBitmap Picture(
        string text, string? family, double x = 100, double y = 100, double weight = 400, double rotation = 0,
        HorizontalAlignment horizontal = HorizontalAlignment.Left,
        VerticalAlignment vertical = VerticalAlignment.Top, float scale = 1, OxyColor? color = null)
    {
        var bitmap = new SKBitmap(Size, Size);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        using var context = new OutlineRenderContext
        {
            SkCanvas = canvas,
            DpiScale = scale,
            RenderTarget = RenderTarget.PixelGraphic
        };
        // As OxyPlot calls it.
        ((IRenderContext)context).DrawText(
            new ScreenPoint(x, y), text, color ?? OxyColors.Black, family, FontSize, weight, rotation, horizontal,
            vertical, null);
        return bitmap;
    }
}
