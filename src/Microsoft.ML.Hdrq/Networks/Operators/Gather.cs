using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Gathers elements by index along an axis: Gather takes whole slices for indices of any shape, GatherElements one
/// element for each index. Negative indices count from the end.
/// </summary>
internal sealed class Gather(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly long _axis = attributes.Integer("axis", 0);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var shape = inputs[0]!.shape;
        var axis = HostValues.Axis(_axis, shape.Length);
        Check(inputs[1]!, shape[axis]);
        var (data, indices) = HostValues.SameDevice(inputs[0]!, inputs[1]!.to(torch.ScalarType.Int64));
        indices = torch.where(
            indices.lt(Scalars.Keep(0)),
            indices.add(Scalars.Keep(shape[axis]), Scalars.One),
            indices);
        if (Type == "GatherElements")
            return [data.gather(axis, indices)];
        long[] result = [.. shape[..axis], .. indices.shape, .. shape[(axis + 1)..]];
        context.CheckSize(result, data.dtype);
        return [data.index_select(axis, indices.reshape(-1)).reshape(result).alias()];
    }

    /// <summary>
    /// Checks indices in host memory, which come from files: a wrong index makes a GPU's context unusable.
    /// </summary>
    private static void Check(torch.Tensor indices, long size)
    {
        if (indices.device_type != DeviceType.CPU || indices.numel() == 0)
            return;
        if (indices.lt(Scalars.Keep(-size)).logical_or(indices.ge(Scalars.Keep(size))).any().item<bool>())
            throw new InvalidDataException($"An index is not in [{-size}, {size}).");
    }
}
