using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Integers to floats: <c>(data - zero point) * scale</c>. Inputs: data, scale, zero point (optional). The output has
/// the element type of the scale, unless <c>output_dtype</c> is another.
/// </summary>
internal sealed class DequantizeLinear(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    public const string Name = "DequantizeLinear";

    private readonly QuantizationGrid _grid = new(attributes);
    private readonly ElementType? _target =
        attributes.Integer("output_dtype", 0) is var target and not 0 ? (ElementType)target : null;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (scale, zeroPoint) = (inputs[1]!, inputs.Optional(2));
        // Integer weights are in host memory, but their scales are on the device.
        var data = inputs[0]!.to(scale.device);
        var target = _target?.ToTorch() ?? scale.dtype;
        context.CheckSize(data.shape, target);
        var steps = data.to(torch.ScalarType.Int32);
        if (zeroPoint is not null)
            steps = steps.sub(_grid.Spread(zeroPoint, data).to(torch.ScalarType.Int32));
        return [steps.to(target).mul(_grid.Spread(scale, data).to(target))];
    }
}
