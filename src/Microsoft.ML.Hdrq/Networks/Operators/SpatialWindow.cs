using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The attributes that convolutions and pooling share: kernel, strides, dilations and padding over the spatial dimensions.</summary>
internal sealed class SpatialWindow
{
    private readonly ImmutableArray<long> _kernel;
    private readonly ImmutableArray<long> _strides;
    private readonly ImmutableArray<long> _dilations;
    private readonly ImmutableArray<long> _pads;
    private readonly string _automaticPadding;

    public SpatialWindow(OperatorAttributes attributes)
    {
        _kernel = Positive("kernel_shape");
        _strides = Positive("strides");
        _dilations = Positive("dilations");
        _pads = attributes.Integers("pads");
        _automaticPadding = attributes.Text("auto_pad", "NOTSET");
        if (!_pads.IsDefault && (_pads.Length % 2 != 0 || _pads.Any(pad => pad is < 0 or > int.MaxValue)))
            throw new InvalidDataException($"Attribute 'pads' is [{string.Join(", ", _pads)}]; it must hold two sizes for every spatial dimension, none negative.");
        if (_automaticPadding is not ("NOTSET" or "VALID" or "SAME_UPPER" or "SAME_LOWER"))
            throw new InvalidDataException($"Attribute 'auto_pad' is '{_automaticPadding}', which ONNX does not define.");

        ImmutableArray<long> Positive(string name)
        {
            var values = attributes.Integers(name);
            return values.IsDefault || values.All(value => value is > 0 and <= int.MaxValue)
                ? values
                : throw new InvalidDataException($"Attribute '{name}' is [{string.Join(", ", values)}]; its values must be positive.");
        }
    }

    /// <summary>The kernel's sizes, or those of the weight's shape when the attribute is absent.</summary>
    public long[] Kernel(ReadOnlySpan<long> fromWeight = default) => _kernel.IsDefault ? fromWeight.ToArray() : [.. _kernel];

    public long[] Strides(int dimensions) => OrOnes("strides", _strides, dimensions);

    public long[] Dilations(int dimensions) => OrOnes("dilations", _dilations, dimensions);

    /// <summary>The padding before and after every spatial dimension.</summary>
    public (long[] Before, long[] After) Padding(ReadOnlySpan<long> input, ReadOnlySpan<long> kernel)
    {
        var dimensions = input.Length;
        var (before, after) = (new long[dimensions], new long[dimensions]);
        if (_automaticPadding is "SAME_UPPER" or "SAME_LOWER")
        {
            var (strides, dilations) = (Strides(dimensions), Dilations(dimensions));
            for (var d = 0; d < dimensions; d++)
            {
                var outputSize = (input[d] + strides[d] - 1) / strides[d];
                var total = Math.Max(0, (outputSize - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 - input[d]);
                before[d] = _automaticPadding == "SAME_UPPER" ? total / 2 : total - total / 2;
                after[d] = total - before[d];
            }
        }
        else if (_automaticPadding == "NOTSET" && !_pads.IsDefault)
        {
            if (_pads.Length != 2 * dimensions)
                throw new InvalidDataException($"Attribute 'pads' has {_pads.Length} values for {dimensions} spatial dimensions.");
            for (var d = 0; d < dimensions; d++)
                (before[d], after[d]) = (_pads[d], _pads[dimensions + d]);
        }
        return (before, after);
    }

    /// <summary>Pads the spatial dimensions of a tensor with a value.</summary>
    public static torch.Tensor Pad(torch.Tensor input, ReadOnlySpan<long> before, ReadOnlySpan<long> after, double value, ComputeContext context)
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
        context.CheckSize(shape);
        return torch.nn.functional.pad(input, pads, value: value);
    }

    private static long[] OrOnes(string name, ImmutableArray<long> values, int dimensions)
    {
        if (values.IsDefault)
            return [.. Enumerable.Repeat(1L, dimensions)];
        return values.Length == dimensions ? [.. values] : throw new InvalidDataException($"Attribute '{name}' has {values.Length} values for {dimensions} spatial dimensions.");
    }
}
