using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>How masks are coloured.</summary>
public sealed record MaskColoringOptions
{
    /// <summary>
    /// The colours of the classes, in the order of their numbers; they repeat if there are more classes. Null, the
    /// default, for <see cref="MaskColor.Of"/>.
    /// </summary>
    public IReadOnlyList<MaskColor>? Palette { get; init; }

    /// <summary>How much of a colour covers the image, from 0, none, to 1, all of it; 0.6 by default.</summary>
    public double Opacity { get; init; } = 0.6;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(nameof(Opacity), Opacity, 0, 1, "from 0 to 1");
        if (Palette is { Count: 0 })
            throw OptionCheck.Error(nameof(Palette), 0, $"{nameof(Palette)} has no colours.");
    }
}
