using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

/// <summary>The pixels of a drawn chart.</summary>
internal sealed class ChartImage(SKBitmap bitmap) : IDisposable
{
    private readonly SKColor[] _pixels = bitmap.Pixels;

    public int Width => bitmap.Width;

    public int Height => bitmap.Height;

    public static ChartImage Decode(byte[] png) =>
        new(SKBitmap.Decode(png) ?? throw new InvalidDataException("No picture."));

    /// <summary>The box around dark pixels, which only text has; null where there are none.</summary>
    public SKRectI? Text(SKRectI within) =>
        Box(within, color => color.Red < 0x60 && color.Green < 0x60 && color.Blue < 0x60);

    /// <summary>The box around pixels of one colour; null where there are none.</summary>
    public SKRectI? Box(SKRectI within, OxyColor color) => Box(within, color.ToSKColor().Equals);

    /// <summary>The bars of one colour that stand on the lowest pixel of that colour, from left to right.</summary>
    public List<SKRectI> Bars(OxyColor color)
    {
        var bottom = Box(new SKRectI(0, 0, Width, Height), color)!.Value.Bottom;
        var bars = new List<SKRectI>();
        for (var x = 0; x < Width; x++)
        {
            var top = bottom;
            while (top > 0 && _pixels[(top - 1) * Width + x] == color.ToSKColor())
                top--;
            if (top == bottom)
                continue;
            if (bars.Count > 0 && bars[^1].Right == x)
                bars[^1] = new SKRectI(bars[^1].Left, Math.Min(top, bars[^1].Top), x + 1, bottom);
            else
                bars.Add(new SKRectI(x, top, x + 1, bottom));
        }
        return bars;
    }

    public void Dispose() => bitmap.Dispose();

    private SKRectI? Box(SKRectI within, Func<SKColor, bool> counts)
    {
        SKRectI? box = null;
        for (var y = within.Top; y < within.Bottom; y++)
        {
            for (var x = within.Left; x < within.Right; x++)
            {
                if (counts(_pixels[y * Width + x]))
                    box = SKRectI.Union(box ?? new SKRectI(x, y, x + 1, y + 1), new SKRectI(x, y, x + 1, y + 1));
            }
        }
        return box;
    }
}
