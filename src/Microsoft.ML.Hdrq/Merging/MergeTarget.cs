namespace Microsoft.ML.Hdrq.Merging;

/// <summary>The wanted values of a merged parameter, before rounding.</summary>
/// <param name="Values">The values, in the parameter's own row-major order.</param>
internal sealed record MergeTarget(double[] Values)
{
    /// <summary>
    /// Chooses the integers of a quantized weight, given the axis of its output channels; rounding to nearest by
    /// default. It may use tensors of the scope in which the target was made.
    /// </summary>
    public Func<MergedWeight, int, int[]> Round { get; init; } = (weight, _) => weight.Nearest();
}
