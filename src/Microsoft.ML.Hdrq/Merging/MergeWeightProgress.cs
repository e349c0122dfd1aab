namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A measurement in a search of networks' weights.</summary>
/// <param name="Weights">The weights.</param>
/// <param name="Value">What was measured, the less the better: the mean entropy or loss, or the share of wrong predictions.</param>
/// <param name="Count">How many measurements there have been.</param>
public readonly record struct MergeWeightProgress(IReadOnlyList<double> Weights, double Value, int Count);
