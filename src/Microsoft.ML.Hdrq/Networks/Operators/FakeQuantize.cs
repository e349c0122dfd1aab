using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A quantizer in simulation: values on the grid of a scale, in floating point. Inputs: data, scale (a single number, or one per index of <c>axis</c>).
/// Attributes: <c>bits</c> (2 to 8), <c>signed</c> (0 or 1), <c>axis</c> (absent for one scale).
/// </summary>
internal sealed class FakeQuantize : Operator
{
    public const string Name = "FakeQuantize";

    private readonly long? _axis;

    public FakeQuantize(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        var bits = attributes.Integer("bits", 0);
        if (bits is < QuantizationRange.MinBits or > QuantizationRange.MaxBits)
            throw new InvalidDataException($"Attribute 'bits' is {bits}; it must be from {QuantizationRange.MinBits} to {QuantizationRange.MaxBits}.");
        Range = new QuantizationRange((int)bits, attributes.Integer("signed", 1) != 0);
        _axis = attributes.Contains("axis") ? attributes.Integer("axis", 0) : null;
    }

    public QuantizationRange Range { get; }

    /// <summary>The axis of the scales, or null where there is one for the whole tensor.</summary>
    public long? Axis => _axis;

    internal override bool IsSimulation => true;

    public static OperatorAttributes AttributesFor(QuantizationRange range, long? axis = null)
    {
        var attributes = new OperatorAttributes(("bits", range.Bits), ("signed", range.IsSigned ? 1 : 0));
        return axis is { } value ? attributes.With("axis", value) : attributes;
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [context.Rounding(this).Apply(inputs[0]!, Spread(inputs[1]!, inputs[0]!), Range)];

    /// <summary>The integers that values are rounded to, as numbers: a new tensor.</summary>
    public torch.Tensor Integers(torch.Tensor data, torch.Tensor scale) => data.div(Spread(scale, data)).round_().clamp_(Range.Minimum, Range.Maximum);

    /// <summary>The scale in a shape that is broadcast to the data's.</summary>
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
