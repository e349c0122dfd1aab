namespace Microsoft.ML.Hdrq.Merging;

/// <summary>What a merged parameter is to be, before it is rounded.</summary>
/// <param name="Values">The numbers, in the order of <see cref="MergeSource.Exact"/>.</param>
internal sealed record MergeTarget(double[] Values)
{
    /// <summary>Chooses the integers of a quantized weight; each the nearest by default. It may use tensors of the scope in which the target was made.</summary>
    public Func<MergedWeight, int[]> Round { get; init; } = weight => weight.Nearest();
}
