using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Computes the terms of the loss that a reconstruction minimizes.</summary>
internal static class ReconstructionLoss
{
    /// <summary>
    /// Computes the squared difference, summed over the channels (dimension 1) and averaged over all other dimensions.
    /// </summary>
    public static torch.Tensor Squared(torch.Tensor output, torch.Tensor target) =>
        torch.nn.functional.mse_loss(output, target).mul(Scalars.Keep(output.shape[1]));
}
