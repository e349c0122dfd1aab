namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How the range of a quantizer is chosen from the values that it will meet.</summary>
public enum RangeObserverKind
{
    /// <summary>Of 100 candidate ranges the one with the least mean <c>|Q(x) - x|^2.4</c>; of several batches the largest. What the paper uses.</summary>
    Mse,

    /// <summary>As <see cref="Mse"/>, with the mean over the batches.</summary>
    AverageMse,

    /// <summary>The largest absolute value.</summary>
    MinMax,

    /// <summary>The value below which 99.99 % of the absolute values lie.</summary>
    Percentile,
}
