using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Multiplies the scale's gradient of another scheme by <c>1 / sqrt(n q_max)</c> for n values, which makes the scale's
/// steps comparable to those of weights (section 2.2 of Esser et al., "Learned Step Size Quantization", ICLR 2020).
/// </summary>
internal sealed class ScaledGradientRounding(RoundingScheme scheme) : RoundingScheme
{
    /// <summary>Computes the factor on the gradient.</summary>
    public static double Factor(torch.Tensor values, QuantizationRange range) =>
        1 / Math.Sqrt((double)values.numel() * range.Maximum);

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
    {
        if (!scale.requires_grad)
            return scheme.Apply(values, scale, range);
        var factor = Factor(values, range);
        // This has the value of the scale and a fraction of its gradient.
        var scaled = scale.mul(Scalars.Keep(factor)).add(scale.detach().mul(Scalars.Keep(1 - factor)), Scalars.One);
        return scheme.Apply(values, scaled, range);
    }
}
