using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Convolution over one, two or three spatial dimensions. Inputs: data, weight [out, in / group, kernel...], bias (optional).</summary>
internal sealed class Convolution : Operator
{
    private readonly SpatialWindow _window;
    private readonly long _groups;

    public Convolution(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes);
        _groups = attributes.Integer("group", 1);
        if (_groups is < 1 or > int.MaxValue)
            throw new InvalidDataException($"Attribute 'group' is {_groups}; it must be positive.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, weight, bias) = (inputs[0]!, inputs[1]!, inputs.Count > 2 ? inputs[2] : null);
        var dimensions = (int)weight.dim() - 2;
        if (dimensions is < 1 or > 3 || data.dim() != weight.dim())
            throw new InvalidDataException("A convolution needs data and weights of 3 to 5 dimensions.");
        var kernel = weight.shape.AsSpan(2);
        var (before, after) = _window.Padding(data.shape.AsSpan(2), kernel);
        if (!before.AsSpan().SequenceEqual(after))
        {
            data = SpatialWindow.Pad(data, before, after, 0, context);
            Array.Clear(before);
        }
        var (strides, dilations) = (_window.Strides(dimensions), _window.Dilations(dimensions));
        return
        [
            dimensions switch
            {
                1 => torch.nn.functional.conv1d(data, weight, bias, strides[0], before[0], dilations[0], _groups),
                2 => torch.nn.functional.conv2d(data, weight, bias, strides, before, dilations, _groups),
                _ => torch.nn.functional.conv3d(data, weight, bias, strides, before, dilations, _groups),
            },
        ];
    }
}
