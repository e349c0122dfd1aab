using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The distribution of a quantizer's input values, and the range beyond which it clips them.</summary>
public sealed class QuantizerHistogram
{
    internal QuantizerHistogram(
        string name, bool isWeight, int bits, double minimum, double maximum, double clippedShare,
        double start, double end, ImmutableArray<long> counts)
    {
        Name = name;
        IsWeight = isWeight;
        Bits = bits;
        Minimum = minimum;
        Maximum = maximum;
        ClippedShare = clippedShare;
        Start = start;
        End = end;
        Counts = counts;
    }

    /// <summary>The name of the layer whose weight it quantizes, or of the activation.</summary>
    public string Name { get; }

    /// <summary>Whether it quantizes a weight.</summary>
    public bool IsWeight { get; }

    /// <summary>The bit width.</summary>
    public int Bits { get; }

    /// <summary>
    /// The smallest value that it can represent; with per-channel scales, that of the channel with the largest scale.
    /// </summary>
    public double Minimum { get; }

    /// <summary>
    /// The largest value that it can represent; with per-channel scales, that of the channel with the largest scale.
    /// </summary>
    public double Maximum { get; }

    /// <summary>The share of values that lie more than half a step outside the range, from 0 to 1.</summary>
    public double ClippedShare { get; }

    /// <summary>Where the first bin begins, below <see cref="Minimum"/>.</summary>
    public double Start { get; }

    /// <summary>Where the last bin ends, above <see cref="Maximum"/>.</summary>
    public double End { get; }

    /// <summary>
    /// The number of values in each bin, of equal widths; the first and the last bin also count values outside all
    /// bins.
    /// </summary>
    public ImmutableArray<long> Counts { get; }
}
