using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

/// <summary>PNG files of 8 bits a value.</summary>
internal static class Png
{
    /// <summary>The file of a colour image.</summary>
    /// <param name="pixels">height x width x 3 bytes: red, green, blue.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    public static byte[] EncodeRgb(ReadOnlySpan<byte> pixels, int width, int height)
    {
        // Opaque, so that the encoder writes three channels.
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        var padded = new byte[info.BytesSize];
        for (var pixel = 0; pixel < width * height; pixel++)
        {
            pixels.Slice(pixel * 3, 3).CopyTo(padded.AsSpan(pixel * 4));
            padded[pixel * 4 + 3] = byte.MaxValue;
        }
        return Encode(info, padded);
    }

    /// <summary>The file of a grey image.</summary>
    /// <param name="values">height x width bytes.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    public static byte[] EncodeGrey(ReadOnlySpan<byte> values, int width, int height) =>
        Encode(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque), values);

    private static byte[] Encode(SKImageInfo info, ReadOnlySpan<byte> bytes)
    {
        using var image = SKImage.FromPixelCopy(info, bytes);
        using var pixmap = image.PeekPixels();
        using var data = pixmap.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.Sub, 6));
        return data.ToArray();
    }
}
