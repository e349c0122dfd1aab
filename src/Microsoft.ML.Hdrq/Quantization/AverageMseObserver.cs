using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>As <see cref="MseObserver"/>, but the mean over the batches instead of the largest: one odd batch then weighs less.</summary>
internal sealed class AverageMseObserver : MseObserver
{
    protected override torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) =>
        earlier.mul(Scalars.Keep(earlierBatches)).add(later, Scalars.One).div(Scalars.Keep(earlierBatches + 1));
}
