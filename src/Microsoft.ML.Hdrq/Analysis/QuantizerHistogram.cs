using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The values that go into a quantizer, and the range beyond which it clips them.</summary>
/// <param name="Name">The layer whose weight it quantizes, or the value.</param>
/// <param name="IsWeight">Whether it quantizes a weight.</param>
/// <param name="Bits">Its bits.</param>
/// <param name="Least">The least value that it can give; where there is a scale for each channel, that of the largest one.</param>
/// <param name="Greatest">The greatest value that it can give.</param>
/// <param name="ClippedShare">The share of the values that lie more than half a step beyond their range, from 0 to 1.</param>
/// <param name="Start">Where the first bin begins, below <paramref name="Least"/>.</param>
/// <param name="End">Where the last bin ends, above <paramref name="Greatest"/>.</param>
/// <param name="Counts">The numbers of values in bins of equal width; the first and the last also have what lies outside.</param>
public sealed record QuantizerHistogram(
    string Name, bool IsWeight, int Bits, double Least, double Greatest, double ClippedShare, double Start, double End, ImmutableArray<long> Counts);
