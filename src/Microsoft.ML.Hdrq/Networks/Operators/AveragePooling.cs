using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Average pooling over one, two or three spatial dimensions.</summary>
internal sealed class AveragePooling : Operator
{
    private readonly SpatialWindow _window;
    private readonly bool _ceiling;
    private readonly bool _countPadding;

    public AveragePooling(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes);
        _ceiling = attributes.Integer("ceil_mode", 0) != 0;
        _countPadding = attributes.Integer("count_include_pad", 0) != 0;
        if (_window.Kernel().Length is < 1 or > 3)
            throw new InvalidDataException("Pooling needs the attribute 'kernel_shape' with 1 to 3 sizes.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) => throw new NotSupportedException();
}
