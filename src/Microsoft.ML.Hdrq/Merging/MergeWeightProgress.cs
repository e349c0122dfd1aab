namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A measurement in a search of networks' weights.</summary>
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

    /// <summary>What was measured, the less the better: the mean entropy or loss, or the share of wrong predictions.</summary>
    public double Value { get; }

    /// <summary>How many measurements there have been.</summary>
    public int Count { get; }
}
