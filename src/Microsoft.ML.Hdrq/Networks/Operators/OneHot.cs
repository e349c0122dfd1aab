using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Marks indices along a new axis. Inputs: indices, the size of the axis, the values [off, on]. Negative indices count
/// from the end; those beyond mark nothing.
/// </summary>
internal sealed class OneHot(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly long _axis = attributes.Integer("axis", -1);

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (depth, values) = (HostValues.Integer(inputs[1]!), inputs[2]!);
        var indices = inputs[0]!.to(torch.ScalarType.Int64).to(values.device);
        if (values.numel() != 2)
            throw new InvalidDataException($"OneHot takes two values, off and on, not {values.numel()}.");
        var axis = HostValues.Axis(_axis, indices.dim() + 1);
        long[] shape = [.. indices.shape[..axis], depth, .. indices.shape[axis..]];
        context.CheckSize(shape, values.dtype);
        context.CheckSize([depth], torch.ScalarType.Int64);
        var places = TensorMath.Range(0, depth, values.device)
            .reshape([depth, .. Enumerable.Repeat(1L, (int)indices.dim() - axis)]);
        indices = indices.unsqueeze(axis);
        var marked = indices.eq(places).logical_or(indices.eq(places.sub(torch.tensor(depth, device: values.device))));
        return [torch.where(marked, values[1], values[0])];
    }
}
