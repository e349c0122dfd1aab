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

    /// <summary>
    /// The bias that belongs to the weight; null where the bias does not depend on the weight, or there is none.
    /// </summary>
    public MergedBias? Bias { get; init; }
}

/// <summary>A bias that is computed once the weight of its layer is known.</summary>
/// <param name="Name">The name of the parameter.</param>
/// <param name="Of">
/// Gives its values for those of the weight, which are in the weight's own row-major order, rounded where the weight is
/// quantized. It may use tensors of the scope in which the target was made.
/// </param>
internal sealed record MergedBias(string Name, Func<double[], double[]> Of);
