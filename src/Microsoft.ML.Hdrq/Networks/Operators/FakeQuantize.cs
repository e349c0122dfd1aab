using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A simulated quantizer: it rounds values to the grid of a scale, in floating point. Inputs: data, scale (a scalar, or
/// one per index of <c>axis</c>). Attributes: <c>minimum</c> and <c>maximum</c> (the smallest and the largest integer),
/// <c>axis</c> (absent for one scale).
/// </summary>
internal sealed class FakeQuantize : Operator
{
    public const string Name = "FakeQuantize";

    private readonly long? _axis;

    public FakeQuantize(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        var minimum = attributes.OptionalInteger("minimum") ?? 0;
        var maximum = attributes.OptionalInteger("maximum") ?? 0;
        if (!QuantizationRange.IsRange(minimum, maximum))
        {
            throw new InvalidDataException(
                $"Attributes 'minimum' and 'maximum' are {minimum} and {maximum}; 0 must be between them, "
                + $"and they need {QuantizationRange.MinBits} to {QuantizationRange.MaxBits} bits.");
        }
        Range = QuantizationRange.Between((int)minimum, (int)maximum);
        _axis = attributes.OptionalInteger("axis");
    }

    public QuantizationRange Range { get; }

    /// <summary>The axis of the scales; null for one scale for the whole tensor.</summary>
    public long? Axis => _axis;

    internal override bool IsSimulation => true;

    public static OperatorAttributes AttributesFor(QuantizationRange range, long? axis = null)
    {
        var attributes = new OperatorAttributes(("minimum", range.Minimum), ("maximum", range.Maximum));
        return axis is { } value ? attributes.With("axis", value) : attributes;
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [context.Rounding(this).Apply(inputs[0]!, Checked(inputs[0]!, Spread(inputs[1]!, inputs[0]!), context), Range)];

    /// <summary>A scale that gives values of no larger shape than the limit allows.</summary>
    private static torch.Tensor Checked(torch.Tensor data, torch.Tensor scale, ComputeContext context)
    {
        if (scale.dim() > 0)
            Broadcasting.Shape(data.shape, scale.shape, data.dtype, context);
        return scale;
    }

    /// <summary>The integers that values are rounded to, as a new floating-point tensor.</summary>
    public torch.Tensor Integers(torch.Tensor data, torch.Tensor scale) =>
        data.div(Spread(scale, data)).round_().clamp_(Scalars.Keep(Range.Minimum), Scalars.Keep(Range.Maximum));

    /// <summary>The scale in a shape that broadcasts to the shape of the data.</summary>
    public torch.Tensor Spread(torch.Tensor scale, torch.Tensor data)
    {
        if (_axis is not { } axis)
            return scale;
        var shape = new long[data.dim()];
        Array.Fill(shape, 1);
        shape[HostValues.Axis(axis, data.dim())] = scale.numel();
        return scale.reshape(shape);
    }
}
