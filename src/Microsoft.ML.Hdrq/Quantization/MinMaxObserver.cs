using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Chooses the largest absolute value; over several batches, the largest choice.</summary>
internal sealed class MinMaxObserver : RangeObserver
{
    protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range) => values.abs().amax([1]);
}
