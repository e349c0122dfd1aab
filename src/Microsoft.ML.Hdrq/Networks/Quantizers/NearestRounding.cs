using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Quantizers;

/// <summary>
/// Rounding to nearest, ties to even, with the straight-through estimator: the rounding of a quantized network in use.
/// </summary>
internal sealed class NearestRounding : RoundingScheme
{
    private NearestRounding()
    {
    }

    /// <summary>The only instance: the scheme has no state.</summary>
    public static NearestRounding Instance { get; } = new();

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
    {
        if (!torch.is_grad_enabled() || (!values.requires_grad && !scale.requires_grad))
        {
            return values.div(scale)
                .round_()
                .clamp_(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum))
                .mul_(scale);
        }
        torch.Tensor inside, remainder;
        using (torch.no_grad())
        {
            var steps = values.div(scale);
            var rounded = steps.round();
            var clamped = rounded.clamp(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum));
            // A value that is rounded to the smallest or largest integer counts as inside: it still has a gradient.
            inside = rounded.eq(clamped);
            remainder = clamped.sub_(steps.mul_(inside));
        }
        return WithGradients(values, scale, inside, remainder);
    }
}
