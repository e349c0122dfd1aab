using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Chooses the given percentile of the absolute values; over several batches, the largest choice.</summary>
internal sealed class PercentileObserver(double percentile) : RangeObserver
{
    protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range)
    {
        var absolute = values.abs();
        // The kth smallest value, because torch.quantile accepts at most 16 million values.
        var k = Math.Clamp((long)Math.Ceiling(percentile / 100 * absolute.shape[1]), 1, absolute.shape[1]);
        return absolute.kthvalue(k, 1).values;
    }
}
