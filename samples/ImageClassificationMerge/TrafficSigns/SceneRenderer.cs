using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>Draws a sign on a pole before a street, in clear weather.</summary>
/// <remarks>Not for use by several threads at once: it draws on one bitmap.</remarks>
internal sealed class SceneRenderer : IDisposable
{
    /// <summary>Width and height of images in pixels.</summary>
    public const int Size = 32;

    /// <summary>Drawn larger and averaged: a letter's stroke is about one pixel wide in the result.</summary>
    private const int Supersampling = 3;

    private const int Drawn = Size * Supersampling;

    private readonly SKBitmap _bitmap = new(new SKImageInfo(Drawn, Drawn, SKColorType.Rgba8888, SKAlphaType.Premul));
    private readonly SKCanvas _canvas;
    private readonly SKPaint _paint = new() { IsAntialias = true, StrokeJoin = SKStrokeJoin.Round };
    private readonly IReadOnlyList<(SKPath Path, SignLayer Layer)[]> _signs;
    private readonly StreetPainter _street;

    /// <summary>Prepares the bitmap and the signs' paths.</summary>
    public SceneRenderer()
    {
        _canvas = new SKCanvas(_bitmap);
        _canvas.Scale(Supersampling);
        _street = new StreetPainter(_canvas, _paint);
        _signs = [.. SignCatalog.Designs.Select(design => design.Layers.Select(layer => (SKPath.ParseSvgPathData(layer.Outline), layer)).ToArray())];
    }

    /// <summary>Draws one scene.</summary>
    /// <param name="classIndex">The sign, an index into <see cref="SignCatalog.Designs"/>.</param>
    /// <param name="random">Decides all else.</param>
    public RgbImage Render(int classIndex, Random random)
    {
        _street.PaintBackground(random);
        var sway = random.Gaussian(7);
        var centre = new SKPoint(16 + random.Uniform(-3, 3), 16 + random.Uniform(-3, 3));
        var radius = random.Uniform(7.5, 13);

        _canvas.Save();
        _canvas.Translate(centre);
        _canvas.RotateDegrees(sway);
        _street.PaintPole(random, radius);
        var view = View(random);
        _canvas.Concat(ref view);
        _canvas.Scale(radius);
        PaintSign(_signs[classIndex], random);
        _canvas.Restore();

        if (random.Chance(0.25))
            _street.PaintBranch(random, centre, radius);
        _canvas.Flush();
        return Expose(random);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (path, _) in _signs.SelectMany(layers => layers))
            path.Dispose();
        _canvas.Dispose();
        _paint.Dispose();
        _bitmap.Dispose();
    }

    /// <summary>A view from the side: narrower, sheared, and with a vanishing point.</summary>
    private static SKMatrix View(Random random)
    {
        var matrix = SKMatrix.Identity;
        matrix.ScaleX = random.Uniform(0.7, 1);
        matrix.SkewX = random.Gaussian(0.06);
        matrix.SkewY = random.Gaussian(0.08);
        matrix.Persp0 = random.Gaussian(0.008);
        matrix.Persp1 = random.Gaussian(0.005);
        return matrix;
    }

    private void PaintSign((SKPath Path, SignLayer Layer)[] layers, Random random)
    {
        var fade = random.Uniform(0, 0.4);
        var light = random.Uniform(0.82, 1.05);
        foreach (var (path, layer) in layers)
        {
            _paint.Color = Weathered(layer.Colour, fade, light);
            _paint.Style = layer.Stroke > 0 ? SKPaintStyle.Stroke : SKPaintStyle.Fill;
            _paint.StrokeWidth = layer.Stroke;
            _canvas.DrawPath(path, _paint);
        }
        _paint.Style = SKPaintStyle.Fill;
    }

    private static SKColor Weathered(SKColor colour, float fade, float light)
    {
        byte Channel(byte value) => (byte)Math.Clamp(light * (value + fade * (150 - value)), 0, 255);
        return new SKColor(Channel(colour.Red), Channel(colour.Green), Channel(colour.Blue));
    }

    /// <summary>Averages down to the image's size, with changes of brightness, contrast, colour and grain.</summary>
    private RgbImage Expose(Random random)
    {
        var image = new RgbImage(Size, Size);
        var gain = random.Uniform(0.6, 1.15);
        var contrast = random.Uniform(0.7, 1.08);
        Span<float> tint = [gain * (1 + random.Gaussian(0.05)), gain, gain * (1 + random.Gaussian(0.05))];
        var slope = random.Gaussian(0.15);
        var grain = random.Uniform(0.005, 0.025);

        var drawn = _bitmap.GetPixelSpan();
        const float scale = 1f / (255 * Supersampling * Supersampling);
        var target = 0;
        for (var y = 0; y < Size; y++)
        {
            for (var x = 0; x < Size; x++)
            {
                var shade = 1 + slope * (x / (Size - 1f) - 0.5f);
                var first = (y * Drawn + x) * Supersampling * 4;
                for (var channel = 0; channel < 3; channel++)
                {
                    var sum = 0;
                    for (var row = 0; row < Supersampling; row++)
                    {
                        for (var column = 0; column < Supersampling; column++)
                            sum += drawn[first + (row * Drawn + column) * 4 + channel];
                    }
                    image.Values[target++] = ((sum * scale - 0.5f) * contrast + 0.5f) * tint[channel] * shade + random.Gaussian(grain);
                }
            }
        }
        return image;
    }
}
