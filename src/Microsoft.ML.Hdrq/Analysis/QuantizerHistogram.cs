using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The values that go into a quantizer, and the range beyond which it clips them.</summary>
public sealed class QuantizerHistogram
{
    internal QuantizerHistogram(
        string name, bool isWeight, int bits, double minimum, double maximum, double clippedShare, double start, double end,
        ImmutableArray<long> counts)
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

    /// <summary>The layer whose weight it quantizes, or the value.</summary>
    public string Name { get; }

    /// <summary>Whether it quantizes a weight.</summary>
    public bool IsWeight { get; }

    /// <summary>Its bits.</summary>
    public int Bits { get; }

    /// <summary>The smallest value that it can give; where there is a scale for each channel, that of the largest one.</summary>
    public double Minimum { get; }

    /// <summary>The largest value that it can give.</summary>
    public double Maximum { get; }

    /// <summary>The share of the values that lie more than half a step beyond their range, from 0 to 1.</summary>
    public double ClippedShare { get; }

    /// <summary>Where the first bin begins, below <see cref="Minimum"/>.</summary>
    public double Start { get; }

    /// <summary>Where the last bin ends, above <see cref="Maximum"/>.</summary>
    public double End { get; }

    /// <summary>The numbers of values in bins of equal width; the first and the last also have what lies outside.</summary>
    public ImmutableArray<long> Counts { get; }
}
