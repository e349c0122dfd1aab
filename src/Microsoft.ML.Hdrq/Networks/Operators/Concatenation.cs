using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Concatenates tensors along an axis.</summary>
internal sealed class Concatenation : Operator
{
    private readonly long _axis;

    public Concatenation(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.OptionalInteger("axis")
            ?? throw new InvalidDataException("Concat needs the attribute 'axis'.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var tensors = HostValues.SameDevice(inputs);
        var axis = HostValues.Axis(_axis, tensors[0].dim());
        var shape = tensors[0].shape;
        // Torch also takes an empty list among tensors of other ranks, which adds nothing.
        shape[axis] = tensors.Sum(tensor => axis < tensor.dim() ? tensor.shape[axis] : 0);
        context.CheckSize(shape, tensors[0].dtype);
        return [torch.cat(tensors, axis)];
    }
}
