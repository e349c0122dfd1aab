using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Colours drawn at random.</summary>
internal static class Tints
{
    /// <summary>A grey with a hint of colour.</summary>
    public static SKColor Muted(Random random, double low, double high, double tint = 10)
    {
        var level = random.Uniform(low, high);
        return new(Channel(level + random.Gaussian(tint)), Channel(level + random.Gaussian(tint)), Channel(level + random.Gaussian(tint)));
    }

    /// <summary>A colour in another light.</summary>
    public static SKColor Lit(SKColor colour, double light) => new(Channel(light * colour.Red), Channel(light * colour.Green), Channel(light * colour.Blue));

    /// <summary>Leaves.</summary>
    public static SKColor Leaf(Random random) => new((byte)random.Next(40, 100), (byte)random.Next(75, 130), (byte)random.Next(25, 70));

    /// <summary>One of some colours, in a light of its own.</summary>
    public static SKColor Of(Random random, params ReadOnlySpan<SKColor> colours) => Lit(colours[random.Next(colours.Length)], random.Uniform(0.75, 1.1));

    private static byte Channel(double value) => (byte)Math.Clamp(value, 0, 255);
}
