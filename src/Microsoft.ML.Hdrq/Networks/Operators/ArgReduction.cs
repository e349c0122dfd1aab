using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The index of the largest or smallest element along an axis. Of equal elements it is the first, or the last with
/// <c>select_last_index</c>.
/// </summary>
internal sealed class ArgReduction : Operator
{
    private readonly long _axis;
    private readonly bool _keep;
    private readonly bool _last;

    public ArgReduction(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.Integer("axis", 0);
        _keep = attributes.Integer("keepdims", 1) != 0;
        _last = attributes.Integer("select_last_index", 0) != 0;
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var axis = HostValues.Axis(_axis, data.dim());
        if (!_last)
            return [Find(data, axis)];
        // The last of equal elements is the first of the flipped data.
        return [Find(data.flip(axis), axis).neg().add(Scalars.Keep(data.shape[axis] - 1), Scalars.One)];
    }

    private torch.Tensor Find(torch.Tensor data, long axis) =>
        Type == "ArgMax" ? data.argmax(axis, _keep) : data.argmin(axis, _keep);
}
