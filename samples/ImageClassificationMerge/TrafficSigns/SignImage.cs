using SkiaSharp;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>A square RGB image of floats, nominally in [0, 1], interleaved by pixel.</summary>
internal sealed class SignImage
{
    /// <summary>Width and height in pixels.</summary>
    public const int Size = 32;

    /// <summary>The values: row, column, channel (red, green, blue).</summary>
    public float[] Values { get; } = new float[Size * Size * 3];

    /// <summary>The pixels as bytes, rounded and clipped: row, column, channel.</summary>
    public byte[] ToBytes() => Array.ConvertAll(Values, value => (byte)(Math.Clamp(value, 0f, 1f) * 255 + 0.5f));

    /// <summary>The PNG form of pixels from <see cref="ToBytes"/>.</summary>
    /// <param name="pixels">Size x Size x 3 bytes.</param>
    public static byte[] EncodePng(ReadOnlySpan<byte> pixels)
    {
        // Opaque, so that the encoder writes three channels.
        var info = new SKImageInfo(Size, Size, SKColorType.Rgba8888, SKAlphaType.Opaque);
        var padded = new byte[info.BytesSize];
        for (var pixel = 0; pixel < Size * Size; pixel++)
        {
            pixels.Slice(pixel * 3, 3).CopyTo(padded.AsSpan(pixel * 4));
            padded[pixel * 4 + 3] = byte.MaxValue;
        }
        using var image = SKImage.FromPixelCopy(info, padded);
        using var pixmap = image.PeekPixels();
        using var data = pixmap.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.Sub, 6));
        return data.ToArray();
    }
}
