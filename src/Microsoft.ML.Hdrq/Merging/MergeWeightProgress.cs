namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A measurement in a search for the networks' weights.</summary>
public readonly struct MergeWeightProgress
{
    internal MergeWeightProgress(IReadOnlyList<double> weights, double value, int count)
    {
        Weights = weights;
        Value = value;
        Count = count;
    }

    /// <summary>The weights.</summary>
    public IReadOnlyList<double> Weights { get; }

    /// <summary>
    /// The measured value, where smaller is better: the mean entropy or loss, or the share of wrong predictions.
    /// </summary>
    public double Value { get; }

    /// <summary>The number of measurements so far.</summary>
    public int Count { get; }
}
