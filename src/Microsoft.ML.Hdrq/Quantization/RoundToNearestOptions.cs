namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Rounding to nearest (RTN): ranges are chosen, and every weight is rounded to the nearest integer. Nothing is
/// trained.
/// </summary>
public sealed record RoundToNearestOptions : QuantizationOptions
{
    /// <summary>
    /// The settings that the HDRQ paper uses to compare methods: its quantizer placement, per-tensor weight scales from
    /// each network's own weights, no Gram matrices.
    /// </summary>
    public static RoundToNearestOptions Paper { get; } = WithPaperSettings(new RoundToNearestOptions());

    private protected override BlockTraining? GivenTraining => null;

    private protected override string TrainedMethod => RoundToNearest;
}
