using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>As <see cref="MseObserver"/>, but the mean over the batches instead of the largest: one odd batch then weighs less.</summary>
internal sealed class AverageMseObserver : MseObserver
{
    protected override torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) =>
        earlier.mul(earlierBatches).add(later).div(earlierBatches + 1);
}
