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

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [torch.cat(HostValues.SameDevice(inputs), HostValues.Axis(_axis, inputs[0]!.dim()))];
}
