using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Quantizers;

/// <summary>
/// How a quantizer replaces a value <c>x</c> by a point of its grid, <c>s q</c>, or by a substitute for it while a
/// network is trained: rounding to nearest, noise, a learned choice, or nothing at all.
/// </summary>
internal abstract class RoundingScheme
{
    /// <summary>Quantizes values.</summary>
    /// <param name="values">The values, of any shape.</param>
    /// <param name="scale">The scale, positive, of a shape that broadcasts to that of the values.</param>
    /// <param name="range">The range of the integers.</param>
    /// <returns>The quantized values, a new tensor.</returns>
    internal abstract torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range);

    /// <summary>
    /// Gives the value <c>s u</c> the gradients of a quantizer: 1 in x where the value is inside the range, 0 outside,
    /// and <c>u - x / s</c> inside, <c>u</c> outside in s (Esser et al., "Learned Step Size Quantization", ICLR 2020).
    /// The form records only two operations: <c>x m + s k</c>, where m is 1 inside and 0 outside, and k, a constant for
    /// the gradient, is <c>u - m x / s</c>.
    /// </summary>
    private protected static torch.Tensor WithGradients(
        torch.Tensor values, torch.Tensor scale, torch.Tensor inside, torch.Tensor remainder) =>
        values.mul(inside).addcmul(scale, remainder, Scalars.Keep(1));
}
