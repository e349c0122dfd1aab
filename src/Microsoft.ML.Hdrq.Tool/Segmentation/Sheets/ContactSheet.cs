using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Tool.Charts;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

/// <summary>Small pictures in rows and columns, with titles, and a key to the colours of masks.</summary>
/// <param name="Columns">Titles of the columns.</param>
/// <param name="Rows">The rows.</param>
/// <param name="Width">The pictures' width in pixels.</param>
/// <param name="Height">The pictures' height in pixels.</param>
/// <param name="Key">The classes and their colours.</param>
internal sealed record ContactSheet(
    IReadOnlyList<string> Columns, IReadOnlyList<SheetRow> Rows, int Width, int Height,
    IReadOnlyList<(string Name, MaskColor Colour)> Key)
{
    private const int LeastCellWidth = 180;
    private const int Gap = 4;
    private const int Margin = 12;
    private const float TextSize = 14;

    private int Scale => Math.Max(1, (LeastCellWidth + Width - 1) / Width);

    private int CellWidth => Width * Scale;

    private int CellHeight => Height * Scale;

    /// <summary>Writes the sheet; the file is replaced whole or not at all.</summary>
    public void SavePng(string path) => WholeFile.Write(path, ToPng());

    /// <summary>The sheet as a PNG file.</summary>
    public byte[] ToPng()
    {
        var titles = Rows.Count == 0 ? 0 : Rows.Max(row => ChartFont.Semibold.Width(row.Title, TextSize));
        var (left, top) =
            (Margin + (int)Math.Ceiling(titles) + Margin,
            Margin + (int)Math.Ceiling(ChartFont.Regular.LineHeight(TextSize)) + Gap);
        var width = left + Columns.Count * (CellWidth + Gap) - Gap + Margin;
        var keys = KeyPlaces(left, width - Margin);
        var keyTop = top + Rows.Count * (CellHeight + Gap) + Margin;
        var height = keyTop + (keys.Count == 0 ? 0 : (int)keys.Max(key => key.Y) + (int)Math.Ceiling(KeyLine)) + Margin;
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using var canvas = new SKCanvas(bitmap);
        using var ink = new SKPaint { IsAntialias = true, Color = new SKColor(0x33, 0x33, 0x33) };
        canvas.Clear(SKColors.White);
        for (var column = 0; column < Columns.Count; column++)
            Write(canvas, ink, ChartFont.Semibold, Columns[column], left + column * (CellWidth + Gap), Margin);
        for (var row = 0; row < Rows.Count; row++)
        {
            var y = top + row * (CellHeight + Gap);
            if (row == 0 || Rows[row].Title != Rows[row - 1].Title)
                Write(canvas, ink, ChartFont.Semibold, Rows[row].Title, Margin, y);
            for (var cell = 0; cell < Rows[row].Cells.Count; cell++)
                Draw(canvas, Rows[row].Cells[cell], left + cell * (CellWidth + Gap), y);
        }
        for (var key = 0; key < keys.Count; key++)
        {
            using var fill =
                new SKPaint { Color = new SKColor(Key[key].Colour.Red, Key[key].Colour.Green, Key[key].Colour.Blue) };
            canvas.DrawRect(keys[key].X, keyTop + keys[key].Y + 3, TextSize, TextSize, fill);
            Write(canvas, ink, ChartFont.Regular, Key[key].Name, keys[key].X + TextSize + 6, keyTop + keys[key].Y);
        }
        canvas.Flush();
        using var pixmap = bitmap.PeekPixels();
        using var data = pixmap.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.AllFilters, 9));
        return data.ToArray();
    }

    private static float KeyLine => ChartFont.Regular.LineHeight(TextSize) + Gap;

    /// <summary>Where the key's entries begin: from left to right, on as many lines as they need.</summary>
    private List<SKPoint> KeyPlaces(float left, float right)
    {
        var places = new List<SKPoint>();
        var (x, y) = (left, 0f);
        foreach (var (name, _) in Key)
        {
            var width = TextSize + 6 + ChartFont.Regular.Width(name, TextSize);
            if (x > left && x + width > right)
                (x, y) = (left, y + KeyLine);
            places.Add(new(x, y));
            x += width + 18;
        }
        return places;
    }

    private static void Write(SKCanvas canvas, SKPaint ink, ChartFont font, string text, float x, float y)
    {
        using var outline = font.Outline(text, TextSize);
        outline.Transform(SKMatrix.CreateTranslation(x, y + font.Ascent(TextSize)));
        canvas.DrawPath(outline, ink);
    }

    private void Draw(SKCanvas canvas, byte[] pixels, float x, float y)
    {
        using var picture = SKImage.FromEncodedData(Png.EncodeRgb(pixels, Width, Height));
        canvas.DrawImage(picture, new SKRect(x, y, x + CellWidth, y + CellHeight));
    }
}
