using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Normalizes over the dimensions from <c>axis</c> on. Inputs: data, scale, bias (optional). Scale and bias are
/// broadcast over the normalized dimensions.
/// </summary>
internal sealed class LayerNormalization : Operator
{
    private readonly long _axis;
    private readonly float _epsilon;

    public LayerNormalization(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = attributes.Integer("axis", -1);
        _epsilon = attributes.Float("epsilon", 1e-5f);
        if (attributes.Integer("stash_type", 1) is var stash and not 1)
        {
            throw new InvalidDataException(
                $"Attribute 'stash_type' is {stash}; only 1 (single precision) is supported.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, scale, bias) = (inputs[0]!, inputs[1]!, inputs.Optional(2));
        var normalized = data.shape[HostValues.Axis(_axis, data.dim())..];
        if (scale.shape.SequenceEqual(normalized) && (bias is null || bias.shape.SequenceEqual(normalized)))
            return [torch.nn.functional.layer_norm(data, normalized, scale, bias, _epsilon)];
        var shape = Broadcasting.Shape(data.shape, scale.shape, data.dtype, context);
        if (bias is not null)
            Broadcasting.Shape(shape, bias.shape, data.dtype, context);
        var result = torch.nn.functional.layer_norm(data, normalized, eps: _epsilon).mul(scale);
        return [bias is null ? result : result.add(bias, Scalars.One)];
    }
}
