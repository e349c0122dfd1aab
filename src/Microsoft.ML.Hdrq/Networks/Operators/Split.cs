using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Splits along an axis into parts of the sizes in the second input, or into <c>num_outputs</c> equal parts, the last
/// of which may be smaller.
/// </summary>
internal sealed class Split : Operator
{
    private readonly long _axis;
    private readonly long _count;

    public Split(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.Integer("axis", 0);
        _count = attributes.OptionalInteger("num_outputs") ?? 1;
        if (_count is < 1 or > short.MaxValue)
            throw new InvalidDataException($"Attribute 'num_outputs' is {_count}; it must be positive.");
    }

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var axis = HostValues.Axis(_axis, data.dim());
        return data.split(inputs.Optional(1) is { } sizes ? HostValues.Integers(sizes) : Equal(data.shape[axis]), axis);
    }

    private long[] Equal(long total)
    {
        var size = (total + _count - 1) / _count;
        if (total < size * (_count - 1))
            throw new InvalidDataException($"{total} elements cannot be split into {_count} parts of {size}.");
        return [.. Enumerable.Repeat(size, (int)_count - 1), total - size * (_count - 1)];
    }
}
