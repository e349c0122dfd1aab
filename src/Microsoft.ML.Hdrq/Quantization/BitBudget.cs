using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// What the weights may cost, in size or in accuracy: layers other than the first and last ones and those with bits of
/// their own in <see cref="QuantizationOptions.Overrides"/> are given 2 to 8 bits each, as <see cref="Basis"/> says. Give
/// <see cref="TargetSize"/> or <see cref="MaxAccuracyDrop"/>.
/// </summary>
public sealed record BitBudget
{
    /// <summary>
    /// The most bytes that all quantized weights may take, at their bits, at least 1 (a weight of 3 bits counts 3/8; scales
    /// and biases do not count); null, the default, where <see cref="MaxAccuracyDrop"/> is given. Files hold weights of 2
    /// and 3 bits in 4, and of 5 to 7 in 8.
    /// </summary>
    public long? TargetSize { get; init; }

    /// <summary>
    /// The most that the accuracy on the calibration images may fall by quantizing, from 0 to 1; null, the default, where
    /// <see cref="TargetSize"/> is given. Layers are given bits with the smallest size at which no larger share of the
    /// images is given another class by the network rounded to nearest; this needs no labels, and training mostly brings
    /// the classes back. Another site's images can ask for another size: hand one site's bits on with
    /// <see cref="LayerOverride.Of"/> where networks are to be merged.
    /// </summary>
    public double? MaxAccuracyDrop { get; init; }

    /// <summary>By what bits are chosen; <see cref="BitAllocationBasis.SourceWeights"/> by default, which is the same at all sites of one source.</summary>
    public BitAllocationBasis Basis { get; init; } = BitAllocationBasis.SourceWeights;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(InGroup(nameof(TargetSize)), TargetSize ?? 1, 1, long.MaxValue / 8, "null or at least 1");
        OptionCheck.Range(InGroup(nameof(MaxAccuracyDrop)), MaxAccuracyDrop ?? 0, 0, 1, "null or from 0 to 1");
        OptionCheck.Defined(InGroup(nameof(Basis)), Basis, "a basis");
        if (TargetSize is not null && MaxAccuracyDrop is not null)
            throw OptionCheck.Error(InGroup(nameof(MaxAccuracyDrop)), MaxAccuracyDrop,
                $"{InGroup(nameof(MaxAccuracyDrop))} and {nameof(TargetSize)} are both given; the bits follow from one of them.");
        if (TargetSize is null && MaxAccuracyDrop is null)
            throw OptionCheck.Error(InGroup(nameof(TargetSize)), null,
                $"{InGroup(nameof(TargetSize))} and {nameof(MaxAccuracyDrop)} are both missing; the bits follow from one of them.");
    }

    private static string InGroup(string option) => $"{nameof(QuantizationOptions.BitBudget)}.{option}";
}
