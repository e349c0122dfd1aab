namespace Hdrq.Samples.Drawing;

/// <summary>An RGB image of floats, nominally in [0, 1], interleaved by pixel.</summary>
/// <param name="width">Width in pixels.</param>
/// <param name="height">Height in pixels.</param>
internal sealed class RgbImage(int width, int height)
{
    /// <summary>Width in pixels.</summary>
    public int Width => width;

    /// <summary>Height in pixels.</summary>
    public int Height => height;

    /// <summary>The values: row, column, channel (red, green, blue).</summary>
    public float[] Values { get; } = new float[width * height * 3];

    /// <summary>The pixels as bytes, rounded and clipped: row, column, channel.</summary>
    public byte[] ToBytes() => Array.ConvertAll(Values, value => (byte)(Math.Clamp(value, 0f, 1f) * 255 + 0.5f));
}
