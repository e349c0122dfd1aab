namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Rounding to nearest (RTN): ranges are chosen, and every weight goes to its nearest integer. Nothing is trained.</summary>
public sealed record RoundToNearestOptions : QuantizationOptions
{
    /// <summary>
    /// The settings with which the paper compares methods: quantizers where it puts them, one scale for a weight and each
    /// network's own, no Gram matrices.
    /// </summary>
    public static RoundToNearestOptions Paper { get; } = WithPaperSettings(new RoundToNearestOptions());

    private protected override BlockTraining? GivenTraining => null;

    private protected override string TrainedMethod => RoundToNearest;
}
