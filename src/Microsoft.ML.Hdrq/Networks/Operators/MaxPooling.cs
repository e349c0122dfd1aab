using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Maximum pooling over one, two or three spatial dimensions.</summary>
internal sealed class MaxPooling : Operator
{
    private readonly SpatialWindow _window;

    public MaxPooling(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes, pooling: true);
        if (attributes.Integer("storage_order", 0) != 0)
        {
            throw new InvalidDataException(
                "Attribute 'storage_order' is for the indices of the maxima, which are not computed here.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var type = inputs[0]!.dtype;
        // Torch's pooling on GPUs takes floating point only, which holds bytes exactly.
        var isConverted = inputs[0]!.device_type != DeviceType.CPU
            && type is (torch.ScalarType.Byte or torch.ScalarType.Int8);
        var data = isConverted ? inputs[0]!.to(torch.ScalarType.Float32) : inputs[0]!;
        var kernel = _window.PoolingKernel(data);
        var (before, after) = _window.PoolingPadding(data, kernel, context, out var excess);
        // Torch pads evenly on both sides, and at most half a window.
        if (excess.Any(size => size > 0)
            || !before.AsSpan().SequenceEqual(after)
            || before.Zip(kernel).Any(pair => pair.First > pair.Second / 2))
        {
            long[] beyond = [.. after.Zip(excess, (size, more) => size + more)];
            data = SpatialWindow.Pad(data, before, beyond, Lowest(type), context);
            Array.Clear(before);
        }
        var (strides, dilations) = (_window.Strides(kernel.Length), _window.Dilations(kernel.Length));
        var result = kernel.Length switch
        {
            1 => torch.nn.functional.max_pool1d(data, kernel[0], strides[0], before[0], dilations[0]),
            2 => torch.nn.functional.max_pool2d(data, kernel, strides, before, dilations),
            _ => torch.nn.functional.max_pool3d(data, kernel, strides, before, dilations),
        };
        return [isConverted ? result.to(type) : result];
    }

    private static double Lowest(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Byte => byte.MinValue,
        torch.ScalarType.Int8 => sbyte.MinValue,
        torch.ScalarType.Float32 or torch.ScalarType.Float64 or torch.ScalarType.Float16 => double.NegativeInfinity,
        _ => throw new InvalidDataException($"Maximum pooling is not defined on elements of type {type}."),
    };
}
