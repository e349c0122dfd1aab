namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How ranges are chosen.</summary>
internal sealed record CalibrationOptions
{
    public Func<RangeObserver> CreateWeightObserver { get; init; } = () => new MseObserver();

    public Func<RangeObserver> CreateActivationObserver { get; init; } = () => new MseObserver();

    /// <summary>Images in a batch.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Batches that the observers of activations see.</summary>
    public int ActivationBatches { get; init; } = 2;

    /// <summary>Whether a weight has a scale for each output channel.</summary>
    public bool PerChannel { get; init; }
}
