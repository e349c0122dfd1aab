using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Floats to integers: <c>round(data / scale) + zero point</c>, rounding halves to even, clipped to the integer type.
/// Inputs: data, scale, zero point (optional). The element type is <c>output_dtype</c>, otherwise that of the zero
/// point, otherwise unsigned 8 bits.
/// </summary>
internal sealed class QuantizeLinear : Operator
{
    public const string Name = "QuantizeLinear";

    private readonly QuantizationGrid _grid;
    private readonly ElementType? _target;
    private readonly ElementType? _precision;

    public QuantizeLinear(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _grid = new QuantizationGrid(attributes);
        // The attribute concerns 8-bit floating-point types, which are not supported.
        attributes.Integer("saturate", 1);
        _precision = attributes.Integer("precision", 0) is var precision and not 0 ? (ElementType)precision : null;
        if (_precision?.IsFloat() == false)
        {
            throw new InvalidDataException(
                $"Attribute 'precision' is {_precision}; it must be a floating-point type.");
        }
        // A Torch tensor of 4-bit integers looks like one of 8-bit integers; only the attribute tells them apart.
        if (attributes.Integer("output_dtype", 0) is var target and not 0)
        {
            _target = (ElementType)target;
            Bounds(_target.Value);
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, scale, zeroPoint) = (inputs[0]!, inputs[1]!, inputs.Optional(2));
        var target = _target ?? (zeroPoint is null ? ElementType.UInt8 : ElementTypes.FromTorch(zeroPoint.dtype));
        if (zeroPoint is not null && zeroPoint.dtype != target.ToTorch())
        {
            throw new InvalidDataException(
                $"The zero point has type {zeroPoint.dtype}, attribute 'output_dtype' is {target}.");
        }
        var (minimum, maximum) = Bounds(target);
        var precision = _precision?.ToTorch() ?? scale.dtype;
        var rounded = data.to(precision).div(_grid.Spread(scale, data).to(precision)).round();
        if (zeroPoint is not null)
            rounded = rounded.add(_grid.Spread(zeroPoint, data).to(precision), Scalars.One);
        return [rounded.clamp(Scalars.Keep(minimum), Scalars.Keep(maximum)).to(target.ToTorch())];
    }

    private static (int Minimum, int Maximum) Bounds(ElementType type) => type switch
    {
        ElementType.UInt8 => (byte.MinValue, byte.MaxValue),
        ElementType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
        ElementType.Int16 => (short.MinValue, short.MaxValue),
        ElementType.UInt4 => (0, 15),
        ElementType.Int4 => (-8, 7),
        _ => throw new InvalidDataException(
            $"Quantization to element type {type} ('output_dtype' or the zero point's) is not supported."),
    };
}
