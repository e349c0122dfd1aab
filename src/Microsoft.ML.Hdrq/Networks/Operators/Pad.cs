using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Adds elements (or removes them, for negative sizes) before and after along axes: a constant, the edge, a reflection
/// or a repetition. Inputs: data, sizes (all before, then all after), the constant (0), axes (all).
/// </summary>
internal sealed class Pad : Operator
{
    private readonly string _mode;

    public Pad(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _mode = attributes.Text("mode", "constant");
        if (_mode is not ("constant" or "reflect" or "edge" or "wrap"))
        {
            throw new InvalidDataException(
                $"Attribute 'mode' is '{_mode}'; it must be constant, reflect, edge or wrap.");
        }
    }

    internal override bool ReadsAsList(int input) => input > 0;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, pads) = (inputs[0]!, HostValues.Integers(inputs[1]!));
        var axes = HostValues.Axes(
            inputs.Optional(3) is { } given
                ? HostValues.Integers(given)
                : Enumerable.Range(0, (int)data.dim()).Select(axis => (long)axis),
            data.dim());
        if (pads.Length != 2 * axes.Length || pads.Any(size => size is < int.MinValue or > int.MaxValue))
            throw new InvalidDataException($"Sizes [{string.Join(", ", pads)}] do not fit {axes.Length} axes.");
        var (before, after) = (new long[data.dim()], new long[data.dim()]);
        for (var i = 0; i < axes.Length; i++)
            (before[axes[i]], after[axes[i]]) = (pads[i], pads[axes.Length + i]);
        if (_mode == "constant")
        {
            var value = inputs.Optional(2) is { } input ? HostValues.Number(input) : 0;
            return [SpatialWindow.Pad(data, before, after, value, context).alias()];
        }

        long[] shape = [.. data.shape.Select((size, d) => size + before[d] + after[d])];
        context.CheckSize(shape, data.dtype);
        // Positions along each axis, too, take memory.
        foreach (var size in shape)
            context.CheckSize([size], torch.ScalarType.Int64);
        var result = data.alias();
        for (var d = 0; d < before.Length; d++)
        {
            if (before[d] != 0 || after[d] != 0)
                result = result.index_select(d, Positions(data.shape[d], before[d], after[d]).to(data.device));
        }
        return [result];
    }

    /// <summary>For each position of the result, the position in the data that it repeats.</summary>
    private torch.Tensor Positions(long size, long before, long after)
    {
        if (size == 0)
            throw new InvalidDataException($"An empty dimension has nothing to pad with in mode '{_mode}'.");
        var positions = TensorMath.Range(-before, size + after);
        if (_mode == "edge" || size == 1)
            return positions.clamp(Scalars.Keep(0), Scalars.Keep(size - 1));
        if (_mode == "wrap")
            return positions.remainder(Scalars.Keep(size));
        positions = positions.remainder(Scalars.Keep(2 * (size - 1)));
        return positions.minimum(positions.neg().add(Scalars.Keep(2 * (size - 1)), Scalars.One));
    }
}
