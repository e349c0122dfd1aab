using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// The budget for the weights, in size or in accuracy. Layers get 2 to 8 bits each, chosen by <see cref="Basis"/>,
/// except the first and last layers and those with their own bits in <see cref="QuantizationOptions.Overrides"/>. Set
/// <see cref="TargetSize"/> or <see cref="MaxAccuracyDrop"/>.
/// </summary>
public sealed record BitBudget
{
    /// <summary>
    /// The maximum size of all quantized weights in bytes, at least 1. A weight of 3 bits counts as 3/8 of a byte;
    /// scales and biases do not count. Null, the default, if <see cref="MaxAccuracyDrop"/> is set. Files store weights
    /// of 2 and 3 bits in 4 bits, and weights of 5 to 7 bits in 8.
    /// </summary>
    public long? TargetSize { get; init; }

    /// <summary>
    /// The maximum drop in accuracy on the calibration images caused by quantization, from 0 to 1; null, the default,
    /// if <see cref="TargetSize"/> is set. The chosen bits have the smallest size at which the network rounded to
    /// nearest changes the predicted class of at most this share of the images. This needs no labels, and training
    /// usually restores the classes. Another site's images can lead to another size: if networks are to be merged, pass
    /// one site's bits to the others with <see cref="LayerOverride.Of"/>.
    /// </summary>
    public double? MaxAccuracyDrop { get; init; }

    /// <summary>
    /// The basis for choosing bits; <see cref="BitAllocationBasis.SourceWeights"/> by default, which gives the same
    /// bits at all sites of one source.
    /// </summary>
    public BitAllocationBasis Basis { get; init; } = BitAllocationBasis.SourceWeights;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(InGroup(nameof(TargetSize)), TargetSize ?? 1, 1, long.MaxValue / 8, "null or at least 1");
        OptionCheck.Range(InGroup(nameof(MaxAccuracyDrop)), MaxAccuracyDrop ?? 0, 0, 1, "null or from 0 to 1");
        OptionCheck.Defined(InGroup(nameof(Basis)), Basis, "a basis");
        if (TargetSize is not null && MaxAccuracyDrop is not null)
        {
            throw OptionCheck.Error(
                InGroup(nameof(MaxAccuracyDrop)),
                MaxAccuracyDrop,
                $"{InGroup(nameof(MaxAccuracyDrop))} and {nameof(TargetSize)} are both given; "
                + "the bits follow from one of them.");
        }
        if (TargetSize is null && MaxAccuracyDrop is null)
        {
            throw OptionCheck.Error(
                InGroup(nameof(TargetSize)),
                null,
                $"{InGroup(nameof(TargetSize))} and {nameof(MaxAccuracyDrop)} are both missing; "
                + "the bits follow from one of them.");
        }
    }

    private static string InGroup(string option) => $"{nameof(QuantizationOptions.BitBudget)}.{option}";
}
