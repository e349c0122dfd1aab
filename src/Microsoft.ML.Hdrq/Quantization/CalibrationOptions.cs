namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How ranges are chosen.</summary>
internal sealed record CalibrationOptions
{
    public Func<RangeObserver> CreateWeightObserver { get; init; } = () => new MseObserver();

    public Func<RangeObserver> CreateActivationObserver { get; init; } = () => new MseObserver();

    /// <summary>Images in a batch.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Images that the observers of activations see, in whole batches.</summary>
    public int ActivationImages { get; init; } = 64;

    /// <summary>Whether a weight has a scale for each output channel.</summary>
    public bool PerChannel { get; init; }
}
