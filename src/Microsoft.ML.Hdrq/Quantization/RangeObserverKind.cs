namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How the range of a quantizer is chosen from observed values.</summary>
public enum RangeObserverKind
{
    /// <summary>
    /// The candidate, out of 100 ranges, with the smallest mean <c>|Q(x) - x|^2.4</c>; over several batches, the
    /// largest choice. The paper uses this method.
    /// </summary>
    Mse,

    /// <summary>Like <see cref="Mse"/>, but with the mean over the batches.</summary>
    AverageMse,

    /// <summary>The largest absolute value.</summary>
    MinMax,

    /// <summary>The 99.99th percentile of the absolute values; over several batches, the largest choice.</summary>
    Percentile,
}
