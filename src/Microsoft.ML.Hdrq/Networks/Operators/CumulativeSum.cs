using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Cumulative sums along an axis (second input). With <c>exclusive</c> each sum excludes its own element; with
/// <c>reverse</c> the sums start at the end.
/// </summary>
internal sealed class CumulativeSum : Operator
{
    private readonly bool _exclusive;
    private readonly bool _reverse;

    public CumulativeSum(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _exclusive = attributes.Integer("exclusive", 0) != 0;
        _reverse = attributes.Integer("reverse", 0) != 0;
    }

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var axis = HostValues.Axis(HostValues.Integer(inputs[1]!), data.dim());
        var ordered = _reverse ? data.flip(axis) : data;
        if (_exclusive && data.shape[axis] > 0)
        {
            var first = ordered.narrow(axis, 0, 1);
            ordered = torch.cat([first.sub(first), ordered.narrow(axis, 0, data.shape[axis] - 1)], axis);
        }
        var sums = ordered.cumsum(axis, data.dtype);
        return [_reverse ? sums.flip(axis) : sums];
    }
}
