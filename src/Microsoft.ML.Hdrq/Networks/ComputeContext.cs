using System.Globalization;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The forward pass that an operator computes in: mode, device, randomness, rounding and limits.</summary>
/// <param name="mode">The purpose of the pass.</param>
/// <param name="device">The device.</param>
/// <param name="generator">The source of randomness of dropout.</param>
/// <param name="maxElements">The maximum number of elements of what is kept; more is not refused for good.</param>
internal sealed class ComputeContext(
    ForwardMode mode, torch.Device device, torch.Generator? generator = null, long maxElements = long.MaxValue)
{
    private long _maxSize = Network.DefaultMaxValueSize;
    private long _rows = 1;

    public ForwardMode Mode { get; } = mode;

    /// <summary>
    /// The device of the network's weights, and so of its data. Shapes and other integers that control the computation
    /// stay in host memory.
    /// </summary>
    public torch.Device Device { get; } = device;

    /// <summary>The source of randomness of dropout; null outside <see cref="ForwardMode.Training"/>.</summary>
    public torch.Generator? Generator { get; } = generator;

    /// <summary>How each quantizer rounds.</summary>
    public Func<Operators.FakeQuantize, RoundingScheme> Rounding { get; init; } = _ => NearestRounding.Instance;

    /// <summary>Called with the name of every value and the value, once it is computed.</summary>
    public Action<string, torch.Tensor>? Watch { get; init; }

    /// <summary>Whether a shape was refused only because it has too many elements to be kept.</summary>
    public bool RefusedSize { get; private set; }

    /// <summary>Sets how many bytes a value may take: so many for each row.</summary>
    public void Limit(long bytesOfRow, long rows = 1)
    {
        _rows = Math.Max(1, rows);
        _maxSize = bytesOfRow > long.MaxValue / _rows ? long.MaxValue : bytesOfRow * _rows;
    }

    /// <summary>Refuses sizes that come from data in the file, before memory is allocated.</summary>
    /// <param name="shape">The shape of a value, or of what it takes to compute it.</param>
    /// <param name="type">The type of its elements.</param>
    /// <exception cref="InvalidDataException">The shape is negative or takes too much memory.</exception>
    public void CheckSize(ReadOnlySpan<long> shape, torch.ScalarType type)
    {
        if (shape.ContainsAnyInRange(long.MinValue, -1))
            throw new InvalidDataException($"A tensor cannot have the shape {TensorShape.Describe(shape)}.");
        if (!(TensorShape.ElementCount(shape) <= _maxSize / Width(type)))
        {
            throw new InvalidDataException(
                $"A tensor of shape {TensorShape.Describe(shape)} and type {type} takes {Size(shape, type)}, more than "
                + $"the {_maxSize} bytes that {nameof(Network.MaxValueSize)} allows for {_rows} "
                + $"row{(_rows == 1 ? "" : "s")}.");
        }
        if (TensorShape.ElementCount(shape) <= maxElements)
            return;
        RefusedSize = true;
        throw new InvalidDataException(
            $"A tensor of shape {TensorShape.Describe(shape)} is larger than the {maxElements} elements allowed.");
    }

    private static int Width(torch.ScalarType type) => ElementTypes.FromTorch(type).SizeInMemory();

    private static string Size(ReadOnlySpan<long> shape, torch.ScalarType type)
    {
        var size = (Int128)Width(type);
        foreach (var length in shape)
        {
            if (length > 0 && size > Int128.MaxValue / length)
                return "more bytes than can be counted";
            size *= length;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{size} bytes");
    }
}
