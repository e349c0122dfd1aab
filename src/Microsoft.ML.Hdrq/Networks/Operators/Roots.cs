using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Roots and powers that can be trained through. Where gradients are computed, the slope at a base of 0 is 0 and not
/// infinite: infinity times a gradient of 0, as a Relu before has it, would make every parameter NaN. What has no root
/// is 0 then: the noise that stands for rounding takes values of 0 to both sides. All other values are libtorch's.
/// </summary>
internal static class Roots
{
    /// <summary>The square root of each element.</summary>
    public static torch.Tensor Sqrt(torch.Tensor x)
    {
        if (!IsDifferentiated(x))
            return x.sqrt();
        var flat = x.le(Scalars.Keep(0));
        return x.masked_fill(flat, Scalars.One).sqrt().masked_fill(flat, Scalars.Keep(0));
    }

    /// <summary>Each element of <paramref name="x"/> to the power of <paramref name="exponent"/>, of x's type.</summary>
    public static torch.Tensor Power(torch.Tensor x, torch.Tensor exponent)
    {
        if (!IsDifferentiated(x) || !exponent.is_floating_point())
            return x.pow(exponent).to(x.dtype);
        var (zero, one) = (Scalars.Keep(0), Scalars.One);
        var isRoot = exponent.gt(zero).logical_and(exponent.lt(one));
        var isFraction = exponent.ne(exponent.round());
        var flat = x.eq(zero).logical_and(isRoot).logical_or(x.lt(zero).logical_and(isFraction));
        return x.masked_fill(flat, one).pow(exponent).to(x.dtype).masked_fill(flat, zero);
    }

    private static bool IsDifferentiated(torch.Tensor x) => torch.is_grad_enabled() && x.requires_grad;
}
