using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Like <see cref="MseObserver"/>, but takes the mean over the batches instead of the largest, so that a single unusual
/// batch weighs less.
/// </summary>
internal sealed class AverageMseObserver : MseObserver
{
    protected override torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) =>
        earlier.mul(Scalars.Keep(earlierBatches)).add(later, Scalars.One).div(Scalars.Keep(earlierBatches + 1));
}
