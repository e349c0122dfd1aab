using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Roots and powers that can be trained through. Where gradients are computed, bases up to 0 are the smallest positive
/// number instead, with a slope of 0 and not an infinite one: infinity times a gradient of 0, as a Relu before has it,
/// would make every parameter NaN, and the noise that stands for rounding takes values of 0 to both sides. All other
/// values are libtorch's.
/// </summary>
internal static class Roots
{
    private const float Smallest = 1e-36f;

    /// <summary>The square root of each element.</summary>
    public static torch.Tensor Sqrt(torch.Tensor x) =>
        IsDifferentiated(x) ? x.clamp_min(Scalars.Keep(Smallest)).sqrt() : x.sqrt();

    /// <summary>Each element of <paramref name="x"/> to the power of <paramref name="exponent"/>, of x's type.</summary>
    public static torch.Tensor Power(torch.Tensor x, torch.Tensor exponent)
    {
        // Whole powers have no such places.
        if (!IsDifferentiated(x) || !exponent.is_floating_point())
            return x.pow(exponent).to(x.dtype);
        var isRoot = exponent.gt(Scalars.Keep(0)).logical_and(exponent.ne(exponent.round()));
        return torch.where(isRoot, x.clamp_min(Scalars.Keep(Smallest)), x).pow(exponent).to(x.dtype);
    }

    private static bool IsDifferentiated(torch.Tensor x) => torch.is_grad_enabled() && x.requires_grad;
}
