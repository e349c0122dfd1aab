using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A tensor of a given shape, filled with the attribute <c>value</c>, by default a single-precision zero.
/// </summary>
internal sealed class ConstantOfShape : Operator
{
    private readonly TensorData _value;

    public ConstantOfShape(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _value = attributes.Tensor("value") ?? TensorData.Of<float>([0], 1);
        attributes.Record(
            "value",
            _value.ElementType == ElementType.Float32 && !_value.Bytes.ContainsAnyExcept((byte)0));
        if (TensorShape.ElementCount(_value.Shape) != 1)
        {
            throw new InvalidDataException(
                $"Attribute 'value' has shape {TensorShape.Describe(_value.Shape)}; it must hold one element.");
        }
    }

    internal override bool ReadsAsList(int input) => input == 0;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var shape = HostValues.Integers(inputs[0]!);
        context.CheckSize(shape, _value.ElementType.ToTorch());
        return [_value.ToTorch().to(HostValues.Home(_value.ElementType, context)).reshape([]).expand(shape).clone()];
    }
}
