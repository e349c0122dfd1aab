namespace Microsoft.ML.Hdrq.Merging;

/// <summary>The scale of a merged weight.</summary>
public enum MergedWeightScale
{
    /// <summary>The weighted mean of the networks' scales, <c>sum lambda_d s_d</c>.</summary>
    Mean,

    /// <summary>
    /// The scale on whose grid the mean of the weights has the least squared rounding error, sought from half the mean scale to one fifth above it. Weights of networks that
    /// disagree shrink when they are averaged, and a finer grid can suit them better.
    /// </summary>
    LeastError,
}
