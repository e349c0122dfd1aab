using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Average pooling over one, two or three spatial dimensions. A window's sum is divided by the number of its positions
/// in the input, or in the padded input with <c>count_include_pad</c>. Positions that only <c>ceil_mode</c> adds are
/// never counted.
/// </summary>
internal sealed class AveragePooling : Operator
{
    private readonly SpatialWindow _window;
    private readonly bool _countPadding;

    public AveragePooling(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes, pooling: true);
        // Without padding it counts nothing, and is the same as absent.
        if (_window.HasNoPadding)
            attributes.Record("count_include_pad", isDefault: true);
        else
            _countPadding = attributes.Integer("count_include_pad", 0) != 0;
    }

    /// <summary>
    /// Whether windows may reach beyond padding that is counted: ONNX Runtime's integer kernel divides by another count
    /// there. See <see cref="Passes.PadBeforePooling"/>.
    /// </summary>
    internal bool ReachesBeyondCountedPadding => _countPadding && _window.ReachesBeyondPadding;

    /// <summary>
    /// What keeps ONNX Runtime's integer kernel from computing this, as the end of a sentence; null if nothing does.
    /// </summary>
    internal string? WhyNotInteger =>
        _window.IsDilated ? "has dilations"
        : ReachesBeyondCountedPadding
            ? "has ceil_mode and count_include_pad, and pads by more than its windows overlap"
            : null;

    /// <summary>
    /// The padding before and after every spatial dimension, where the same is computed by padding the data first and
    /// pooling without padding then; null where it is not.
    /// </summary>
    internal (long[] Before, long[] After)? SeparablePadding => _countPadding ? _window.SeparablePadding : null;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var kernel = _window.PoolingKernel(data);
        var dimensions = kernel.Length;
        var (before, after) = _window.PoolingPadding(data, kernel, context, out var excess);
        var (strides, dilations) = (_window.Strides(dimensions), _window.Dilations(dimensions));

        // Torch supports neither dilations nor uneven padding, and counts differently at the edge in ceil_mode.
        if (dilations.All(dilation => dilation == 1)
            && excess.All(size => size == 0)
            && before.AsSpan().SequenceEqual(after)
            && before.Zip(kernel).All(pair => pair.First <= pair.Second / 2))
        {
            return [Average(data, kernel, strides, before)];
        }

        context.CheckSize(kernel, data.dtype);
        // Otherwise the sums are a convolution with ones, and the counts as well.
        var ones = torch.ones([1, 1, .. kernel], data.dtype, data.device);
        var counted = torch.ones([1, 1, .. data.shape.AsSpan(2)], data.dtype, data.device);
        long[] beyond = [.. after.Zip(excess, (size, more) => size + more)];
        counted = _countPadding
            ? SpatialWindow.Pad(
                SpatialWindow.Pad(counted, before, after, 1, context),
                new long[dimensions],
                excess,
                0,
                context)
            : SpatialWindow.Pad(counted, before, beyond, 0, context);
        var channels = SpatialWindow.Pad(data.reshape([-1, 1, .. data.shape.AsSpan(2)]), before, beyond, 0, context);
        var sums = Convolution.Convolve(channels, ones, null, strides, new long[dimensions], dilations, 1);
        // A window that covers only padding averages nothing: the count is at least 1.
        var counts = Convolution
            .Convolve(counted, ones, null, strides, new long[dimensions], dilations, 1)
            .clamp_min(Scalars.Keep(1));
        var averages = sums.div(counts);
        return [averages.reshape([data.shape[0], data.shape[1], .. averages.shape.AsSpan(2)])];
    }

    private torch.Tensor Average(torch.Tensor data, long[] kernel, long[] strides, long[] padding) =>
        kernel.Length switch
        {
            1 => torch.nn.functional.avg_pool1d(
                data,
                kernel[0],
                strides[0],
                padding[0],
                ceil_mode: false,
                _countPadding),
            2 => torch.nn.functional.avg_pool2d(data, kernel, strides, padding, ceil_mode: false, _countPadding),
            _ => torch.nn.functional.avg_pool3d(data, kernel, strides, padding, ceil_mode: false, _countPadding),
        };
}
