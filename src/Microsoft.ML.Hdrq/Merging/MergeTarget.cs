namespace Microsoft.ML.Hdrq.Merging;

/// <summary>What a merged parameter is to be, before it is rounded.</summary>
/// <param name="Values">The numbers, in the parameter's own row-major order.</param>
internal sealed record MergeTarget(double[] Values)
{
    /// <summary>
    /// Chooses the integers of a quantized weight, whose output channels are along an axis of the parameter; each the nearest by default. It may use tensors of the scope in which the target was made.
    /// </summary>
    public Func<MergedWeight, int, int[]> Round { get; init; } = (weight, _) => weight.Nearest();
}
