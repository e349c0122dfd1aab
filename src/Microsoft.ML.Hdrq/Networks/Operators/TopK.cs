using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The K (second input) largest or smallest elements along an axis, sorted, and their indices. Of equal elements, the
/// first comes first.
/// </summary>
internal sealed class TopK : Operator
{
    private readonly long _axis;
    private readonly bool _largest;

    public TopK(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.Integer("axis", -1);
        // The elements are always sorted.
        attributes.Integer("sorted", 1);
        _largest = attributes.Integer("largest", 1) != 0;
    }

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var (axis, count) = (HostValues.Axis(_axis, data.dim()), HostValues.Integer(inputs[1]!));
        if (count < 0 || count > data.shape[axis])
            throw new InvalidDataException($"TopK cannot take {count} of {data.shape[axis]} elements.");
        var (values, indices) = data.sort(axis, _largest, stable: true);
        return [values.narrow(axis, 0, count), indices.narrow(axis, 0, count)];
    }
}
