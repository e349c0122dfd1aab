using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The attributes that convolutions and pooling share: kernel, strides, dilations and padding of the spatial
/// dimensions.
/// </summary>
internal sealed class SpatialWindow
{
    private const long MaxSpan = 1L << 30;

    private readonly ImmutableArray<long> _kernel;
    private readonly ImmutableArray<long> _strides;
    private readonly ImmutableArray<long> _dilations;
    private readonly ImmutableArray<long> _pads;
    private readonly ImmutableArray<long> _outputPadding;
    private readonly ImmutableArray<long> _outputShape;
    private readonly string _automaticPadding;
    private readonly bool _ceiling;

    /// <param name="attributes">The operator's attributes.</param>
    /// <param name="pooling">
    /// Whether the kernel's sizes must be given, because there is no weight to take them from.
    /// </param>
    public SpatialWindow(OperatorAttributes attributes, bool pooling = false)
    {
        _kernel = Sizes("kernel_shape", 1);
        _strides = Sizes("strides", 1, minimumIsDefault: true);
        _dilations = Sizes("dilations", 1, minimumIsDefault: true);
        _pads = Sizes("pads", 0, minimumIsDefault: true);
        _outputPadding = Sizes("output_padding", 0, minimumIsDefault: true);
        _outputShape = Sizes("output_shape", 0);
        _automaticPadding = attributes.Text("auto_pad", "NOTSET");
        _ceiling = attributes.Integer("ceil_mode", 0) != 0;
        if (!_pads.IsDefault && _pads.Length % 2 != 0)
        {
            throw new InvalidDataException(
                $"Attribute 'pads' is [{string.Join(", ", _pads)}]; "
                + "it must hold two sizes for every spatial dimension.");
        }
        if (_automaticPadding is not ("NOTSET" or "VALID" or "SAME_UPPER" or "SAME_LOWER"))
        {
            throw new InvalidDataException(
                $"Attribute 'auto_pad' is '{_automaticPadding}', which ONNX does not define.");
        }
        if (pooling && (_kernel.IsDefault || _kernel.Length is < 1 or > 3))
            throw new InvalidDataException("Pooling needs the attribute 'kernel_shape' with 1 to 3 sizes.");

        // A list with 1 for each dimension, or of zeros for padding, is equivalent to an absent attribute.
        ImmutableArray<long> Sizes(string name, long minimum, bool minimumIsDefault = false)
        {
            var values = attributes.Integers(name);
            attributes.Record(
                name,
                minimumIsDefault
                && !values.IsDefaultOrEmpty
                && values.All(value => value == minimum)
                && Fits(name, values.Length));
            return values.IsDefault || values.All(value => value >= minimum && value <= int.MaxValue)
                ? values
                : throw new InvalidDataException(
                    $"Attribute '{name}' is [{string.Join(", ", values)}]; its values must be {minimum} or more.");
        }

        // A list whose length does not match the kernel is a mistake, which must be reported during the computation.
        bool Fits(string name, int count) =>
            _kernel.IsDefaultOrEmpty || count == (name == "pads" ? 2 : 1) * _kernel.Length;
    }

    /// <summary>The attribute <c>group</c>.</summary>
    public static long Groups(OperatorAttributes attributes) =>
        attributes.Integer("group", 1) is var groups and > 0 and <= int.MaxValue
        ? groups
        : throw new InvalidDataException(
            $"Attribute 'group' is {attributes.Integer("group", 1)}; it must be positive.");

    /// <summary>Whether windows have gaps.</summary>
    public bool IsDilated => !_dilations.IsDefault && _dilations.Any(dilation => dilation != 1);

    /// <summary>
    /// Whether windows may reach beyond the padding: sizes are rounded up, and are not those of the input.
    /// </summary>
    public bool ReachesBeyondPadding => _ceiling && _automaticPadding == "NOTSET";

    /// <summary>Whether nothing is padded, whatever the data's sizes.</summary>
    public bool HasNoPadding => _automaticPadding == "VALID"
        || _automaticPadding == "NOTSET" && (_pads.IsDefault || _pads.All(size => size == 0));

    /// <summary>
    /// The padding before and after every spatial dimension, if the data can be padded first and pooled without padding
    /// then. In <c>ceil_mode</c> no window starts in the padding after the data: after separate padding one would, if
    /// the padding is longer than what windows overlap. Null where that can be, or sizes depend on the data.
    /// </summary>
    public (long[] Before, long[] After)? SeparablePadding
    {
        get
        {
            var dimensions = _kernel.Length;
            if (_automaticPadding != "NOTSET" || _pads.Length != 2 * dimensions)
                return null;
            var (before, after) = Explicit(dimensions);
            var strides = Strides(dimensions);
            for (var d = 0; d < dimensions; d++)
            {
                if (_ceiling && after[d] > Extent(_kernel.AsSpan(), d) - strides[d])
                    return null;
            }
            return (before, after);
        }
    }

    public long[] Strides(int dimensions) => OrElse("strides", _strides, dimensions, 1);

    public long[] Dilations(int dimensions) => OrElse("dilations", _dilations, dimensions, 1);

    /// <summary>The kernel of pooling, which must match the data's dimensions.</summary>
    public long[] PoolingKernel(torch.Tensor data) => data.dim() == _kernel.Length + 2
        ? [.. _kernel]
        : throw new InvalidDataException(
            $"Attribute 'kernel_shape' has {_kernel.Length} sizes for data of {data.dim()} dimensions.");

    /// <summary>The padding before and after every spatial dimension.</summary>
    public (long[] Before, long[] After) Padding(ReadOnlySpan<long> input, ReadOnlySpan<long> kernel)
    {
        var dimensions = input.Length;
        if (_automaticPadding is "NOTSET")
            return Explicit(dimensions);
        var (total, strides) = (new long[dimensions], Strides(dimensions));
        for (var d = 0; d < dimensions && _automaticPadding != "VALID"; d++)
        {
            var outputSize = (input[d] + strides[d] - 1) / strides[d];
            total[d] = Math.Max(0, (outputSize - 1) * strides[d] + Extent(kernel, d) - input[d]);
        }
        return Share(total);
    }

    /// <summary>
    /// The sizes that a transposed convolution removes before and after each spatial dimension; negative where it adds
    /// zeros.
    /// </summary>
    public (long[] Before, long[] After) TransposedPadding(ReadOnlySpan<long> input, ReadOnlySpan<long> kernel)
    {
        var dimensions = input.Length;
        var (strides, outputPadding) = (Strides(dimensions), OrElse("output_padding", _outputPadding, dimensions, 0));
        var (before, after) = (new long[dimensions], new long[dimensions]);
        if (!_outputShape.IsDefaultOrEmpty || _automaticPadding is "SAME_UPPER" or "SAME_LOWER")
        {
            // Some exporters write the sizes of batch and channels as well.
            var outputShape = _outputShape.IsDefaultOrEmpty ? default
                : _outputShape.Length == dimensions + 2 ? _outputShape[2..]
                : _outputShape;
            if (!outputShape.IsDefault && outputShape.Length != dimensions)
            {
                throw new InvalidDataException(
                    $"Attribute 'output_shape' has {outputShape.Length} values for {dimensions} spatial dimensions.");
            }
            var total = new long[dimensions];
            for (var d = 0; d < dimensions; d++)
            {
                var outputSize = outputShape.IsDefault ? input[d] * strides[d] : outputShape[d];
                total[d] = strides[d] * (input[d] - 1) + outputPadding[d] + Extent(kernel, d) - outputSize;
            }
            (before, after) = Share([.. total.Select(size => Math.Max(0, size))]);
            for (var d = 0; d < dimensions; d++)
                after[d] += Math.Min(0, total[d]);
        }
        else if (_automaticPadding == "NOTSET")
            (before, after) = Explicit(dimensions);
        for (var d = 0; d < dimensions; d++)
            after[d] -= outputPadding[d];
        return (before, after);
    }

    /// <summary>The sizes of the output's spatial dimensions, rounded up in <c>ceil_mode</c>.</summary>
    public long[] OutputSizes(
        ReadOnlySpan<long> input,
        ReadOnlySpan<long> kernel,
        ReadOnlySpan<long> before,
        ReadOnlySpan<long> after)
    {
        var (sizes, strides) = (new long[input.Length], Strides(input.Length));
        for (var d = 0; d < sizes.Length; d++)
        {
            var steps = input[d] + before[d] + after[d] - Extent(kernel, d);
            if (steps < 0)
            {
                throw new InvalidDataException(
                    $"A window of {Extent(kernel, d)} does not fit into {input[d]} elements "
                    + $"with a padding of {before[d]} and {after[d]}.");
            }
            sizes[d] = (steps + (_ceiling ? strides[d] - 1 : 0)) / strides[d] + 1;
            // A window must not start after the end of the input.
            if (_ceiling && (sizes[d] - 1) * strides[d] >= input[d] + before[d])
                sizes[d]--;
        }
        return sizes;
    }

    /// <summary>
    /// Checks what windows span: libraries count positions with 31 bits, and divide by what is left of more.
    /// </summary>
    /// <exception cref="InvalidDataException">It is too much.</exception>
    public void CheckSpan(
        ReadOnlySpan<long> input,
        ReadOnlySpan<long> kernel,
        ReadOnlySpan<long> before,
        ReadOnlySpan<long> after)
    {
        for (var d = 0; d < input.Length; d++)
        {
            if (Extent(kernel, d) <= MaxSpan && input[d] + before[d] + after[d] <= MaxSpan)
                continue;
            throw new InvalidDataException(
                $"A window of {Extent(kernel, d)} on {input[d]} elements with a padding of {before[d]} and {after[d]} "
                + $"spans more than {MaxSpan}.");
        }
    }

    /// <summary>
    /// The padding of pooling, and how far windows extend beyond it in <c>ceil_mode</c>; the size of the output is
    /// checked.
    /// </summary>
    public (long[] Before, long[] After) PoolingPadding(
        torch.Tensor data,
        ReadOnlySpan<long> kernel,
        ComputeContext context,
        out long[] excess)
    {
        var input = data.shape.AsSpan(2);
        var (before, after) = Padding(input, kernel);
        var (sizes, strides) = (OutputSizes(input, kernel, before, after), Strides(kernel.Length));
        context.CheckSize([data.shape[0], data.shape[1], .. sizes], data.dtype);
        CheckSpan(input, kernel, before, after);
        excess = new long[kernel.Length];
        for (var d = 0; d < kernel.Length; d++)
            excess[d] = Math.Max(0, (sizes[d] - 1) * strides[d] + Extent(kernel, d) - input[d] - before[d] - after[d]);
        return (before, after);
    }

    /// <summary>Pads the last dimensions of a tensor with a value; negative sizes crop.</summary>
    public static torch.Tensor Pad(
        torch.Tensor input,
        ReadOnlySpan<long> before,
        ReadOnlySpan<long> after,
        double value,
        ComputeContext context)
    {
        // Torch lists the last dimension first.
        var pads = new long[2 * before.Length];
        var shape = input.shape;
        for (var d = 0; d < before.Length; d++)
        {
            pads[2 * (before.Length - 1 - d)] = before[d];
            pads[2 * (before.Length - 1 - d) + 1] = after[d];
            shape[shape.Length - before.Length + d] += before[d] + after[d];
        }
        context.CheckSize(shape, input.dtype);
        return torch.nn.functional.pad(input, pads, value: value);
    }

    /// <summary>
    /// Checks that a weight has elements, and the kernel that the attribute says: libraries end the process otherwise.
    /// </summary>
    /// <exception cref="InvalidDataException">It has none, or another kernel.</exception>
    public void CheckWeight(ReadOnlySpan<long> weight)
    {
        if (TensorShape.ElementCount(weight) == 0)
            throw new InvalidDataException($"The kernel is empty: its shape is {TensorShape.Describe(weight)}.");
        if (!_kernel.IsDefaultOrEmpty && weight.Length > 1 && !weight[2..].SequenceEqual(_kernel.AsSpan()))
        {
            throw new InvalidDataException(
                $"Attribute 'kernel_shape' is [{string.Join(", ", _kernel)}], and the weight has the shape "
                + $"{TensorShape.Describe(weight)}.");
        }
    }

    /// <summary>The number of elements that a window spans.</summary>
    public long Extent(ReadOnlySpan<long> kernel, int d) => (kernel[d] - 1) * Dilations(kernel.Length)[d] + 1;

    private (long[] Before, long[] After) Explicit(int dimensions)
    {
        if (_pads.IsDefault)
            return (new long[dimensions], new long[dimensions]);
        return _pads.Length == 2 * dimensions
            ? ([.. _pads[..dimensions]], [.. _pads[dimensions..]])
            : throw new InvalidDataException(
                $"Attribute 'pads' has {_pads.Length} values for {dimensions} spatial dimensions.");
    }

    /// <summary>Divides padding between both sides; an odd element goes before, or after for SAME_UPPER.</summary>
    private (long[] Before, long[] After) Share(long[] total)
    {
        long[] before = [.. total.Select(size => _automaticPadding == "SAME_UPPER" ? size / 2 : size - size / 2)];
        return (before, [.. total.Zip(before, (size, part) => size - part)]);
    }

    private static long[] OrElse(string name, ImmutableArray<long> values, int dimensions, long otherwise)
    {
        if (values.IsDefaultOrEmpty)
            return [.. Enumerable.Repeat(otherwise, dimensions)];
        return values.Length == dimensions
            ? [.. values]
            : throw new InvalidDataException(
                $"Attribute '{name}' has {values.Length} values for {dimensions} spatial dimensions.");
    }
}
