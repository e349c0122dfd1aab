using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Mixes another scheme with unquantized values as QDrop does: each element is quantized or left as it is, at random
/// (Wei et al., "QDrop: Randomly Dropping Quantization for Extremely Low-bit Post-Training Quantization", ICLR 2022).
/// The pool's probability is that of quantizing.
/// </summary>
internal sealed class MixedRounding(RoundingScheme scheme, RandomPool pool) : RoundingScheme
{
    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range) =>
        Mix(scheme.Apply(values, scale, range), values, pool);

    /// <summary>Takes each element from one of two tensors at random.</summary>
    public static torch.Tensor Mix(torch.Tensor quantized, torch.Tensor exact, RandomPool pool) =>
        torch.where(pool.Choices(exact.numel()).reshape(exact.shape), quantized, exact);
}
