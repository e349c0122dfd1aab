using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>Draws a plot with text as outlines of <see cref="ChartFont"/>, whatever font the plot asks for.</summary>
/// <remarks>
/// It names the interface again because the base class's methods for text are not virtual; OxyPlot draws through the
/// interface alone.
/// </remarks>
internal sealed class OutlineRenderContext : SkiaRenderContext, IRenderContext
{
    /// <inheritdoc/>
    public new void DrawText(
        ScreenPoint p,
        string? text,
        OxyColor fill,
        string? fontFamily = null,
        double fontSize = 10,
        double fontWeight = FontWeights.Normal,
        double rotation = 0,
        HorizontalAlignment horizontalAlignment = HorizontalAlignment.Left,
        VerticalAlignment verticalAlignment = VerticalAlignment.Top,
        OxySize? maxSize = null)
    {
        if (string.IsNullOrEmpty(text) || !fill.IsVisible())
            return;
        var font = ChartFont.OfWeight(fontWeight);
        var size = (float)fontSize;
        var lines = ChartFont.Lines(text);
        var height = lines.Length * font.LineHeight(size);
        var top = verticalAlignment switch
        {
            VerticalAlignment.Top => 0,
            VerticalAlignment.Middle => -height / 2,
            VerticalAlignment.Bottom => -height,
            _ => throw new ArgumentOutOfRangeException(nameof(verticalAlignment)),
        };

        using var path = new SKPath();
        for (var line = 0; line < lines.Length; line++)
        {
            var left = horizontalAlignment switch
            {
                HorizontalAlignment.Left => 0,
                HorizontalAlignment.Center => -font.Width(lines[line], size) / 2,
                HorizontalAlignment.Right => -font.Width(lines[line], size),
                _ => throw new ArgumentOutOfRangeException(nameof(horizontalAlignment)),
            };
            using var outline = font.Outline(lines[line], size);
            path.AddPath(outline, left, top + line * font.LineHeight(size) + font.Ascent(size));
        }
        path.Transform(SKMatrix.CreateRotationDegrees((float)rotation)
            .PostConcat(SKMatrix.CreateTranslation((float)p.X, (float)p.Y))
            .PostConcat(SKMatrix.CreateScale(DpiScale, DpiScale)));
        using var paint = new SKPaint { Color = fill.ToSKColor(), IsAntialias = true };
        SkCanvas.DrawPath(path, paint);
    }

    /// <inheritdoc/>
    public new OxySize MeasureText(
        string? text, string? fontFamily = null, double fontSize = 10, double fontWeight = FontWeights.Normal)
    {
        if (string.IsNullOrEmpty(text))
            return OxySize.Empty;
        var font = ChartFont.OfWeight(fontWeight);
        var lines = ChartFont.Lines(text);
        var width = lines.Max(line => font.Width(line, (float)fontSize));
        return new OxySize(width, lines.Length * font.LineHeight((float)fontSize));
    }
}
