using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Crops the middle of the axes that are longer than the sizes in the second input, and pads the others with zeros
/// around the middle.
/// </summary>
internal sealed class CenterCropPad : Operator
{
    private readonly long[]? _axes;

    public CenterCropPad(string type, OperatorAttributes attributes) : base(type, attributes) =>
        _axes = attributes.Integers("axes") is { IsDefault: false } axes ? [.. axes] : null;

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, sizes) = (inputs[0]!.alias(), HostValues.Integers(inputs[1]!));
        var axes = HostValues.Axes(
            _axes ?? Enumerable.Range(0, (int)data.dim()).Select(axis => (long)axis), data.dim());
        if (sizes.Length != axes.Length)
            throw new InvalidDataException($"CenterCropPad has {sizes.Length} sizes for {axes.Length} axes.");
        var shape = data.shape;
        for (var i = 0; i < axes.Length; i++)
            shape[axes[i]] = sizes[i];
        context.CheckSize(shape, data.dtype);
        for (var i = 0; i < axes.Length; i++)
        {
            var (axis, length, size) = (axes[i], data.shape[axes[i]], sizes[i]);
            if (size < length)
            {
                data = data.narrow(axis, (length - size) / 2, size);
            }
            else if (size > length)
            {
                var before = (size - length) / 2;
                data = torch.cat([Zeros(before), data, Zeros(size - length - before)], axis);
            }

            torch.Tensor Zeros(long count) =>
                torch.zeros([.. data.shape[..axis], count, .. data.shape[(axis + 1)..]], data.dtype, data.device);
        }
        return [data];
    }
}
