using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Divides by the sum of magnitudes (<c>p</c> = 1) or the Euclidean norm (<c>p</c> = 2) along an axis. Where the norm
/// is zero, the result is zero.
/// </summary>
internal sealed class LpNormalization : Operator
{
    private readonly long _axis;
    private readonly long _p;

    public LpNormalization(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.Integer("axis", -1);
        _p = attributes.Integer("p", 2);
        if (_p is not (1 or 2))
            throw new InvalidDataException($"Attribute 'p' is {_p}; it must be 1 or 2.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var norm = inputs[0]!.Norm(_p, [HostValues.Axis(_axis, inputs[0]!.dim())], keep: true);
        return [inputs[0]!.div(norm.masked_fill(norm.eq(Scalars.Keep(0)), Scalars.Keep(1)))];
    }
}
