using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Draws scenes: the image with soft edges, and once more without, which part is seen in the middle of every pixel.</summary>
/// <remarks>Not for use by several threads at once: it draws on two bitmaps.</remarks>
internal sealed class StreetRenderer : IDisposable
{
    /// <summary>Width of images in pixels.</summary>
    public const int Width = 96;

    /// <summary>Height of images in pixels.</summary>
    public const int Height = 64;

    private readonly SKBitmap _colours = new(new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Premul));
    private readonly SKBitmap _numbers = new(new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Premul));
    private readonly SKPaint _soft = new() { IsAntialias = true };
    private readonly SKPaint _sharp = new() { IsAntialias = false };

    /// <summary>Draws one scene.</summary>
    public SceneFrame Render(StreetScene scene)
    {
        using (var canvas = new SKCanvas(_colours))
        {
            foreach (var part in scene.Parts)
                Fill(canvas, part);
        }
        using (var canvas = new SKCanvas(_numbers))
        {
            for (var number = 0; number < scene.Parts.Count; number++)
            {
                _sharp.Color = new SKColor((byte)number, (byte)(number >> 8), 0);
                canvas.DrawPath(scene.Parts[number].Outline, _sharp);
            }
        }

        var image = new RgbImage(Width, Height);
        var (classes, depths) = (new byte[Width * Height], new float[Width * Height]);
        var colours = _colours.GetPixelSpan();
        var numbers = _numbers.GetPixelSpan();
        for (var pixel = 0; pixel < Width * Height; pixel++)
        {
            for (var channel = 0; channel < 3; channel++)
                image.Values[pixel * 3 + channel] = colours[pixel * 4 + channel] / 255f;
            var part = scene.Parts[numbers[pixel * 4] | numbers[pixel * 4 + 1] << 8];
            classes[pixel] = (byte)part.Class;
            depths[pixel] = part.Depth(pixel % Width + 0.5f, pixel / Width + 0.5f);
        }
        return new SceneFrame(image, classes, depths, [.. scene.Lights]);
    }

    public void Dispose()
    {
        _colours.Dispose();
        _numbers.Dispose();
        _soft.Dispose();
        _sharp.Dispose();
    }

    private void Fill(SKCanvas canvas, ScenePart part)
    {
        if (part.Colour == part.Lower)
        {
            _soft.Color = part.Colour;
            canvas.DrawPath(part.Outline, _soft);
            return;
        }
        var bounds = part.Outline.Bounds;
        using var shader = SKShader.CreateLinearGradient(new(0, Math.Max(bounds.Top, 0)), new(0, Math.Min(bounds.Bottom, Height)), [part.Colour, part.Lower], SKShaderTileMode.Clamp);
        (_soft.Shader, _soft.Color) = (shader, SKColors.White);
        canvas.DrawPath(part.Outline, _soft);
        _soft.Shader = null;
    }
}
