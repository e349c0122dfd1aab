using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The forward pass that an operator computes in: mode, device, randomness, rounding and limits.</summary>
internal sealed class ComputeContext(
    ForwardMode mode, torch.Device device, torch.Generator? generator = null,
    long maxElements = ComputeContext.DefaultMaxElements)
{
    /// <summary>
    /// Eight gigabytes of single precision: more than any real activation, less than a file may ask for by mistake or
    /// malice.
    /// </summary>
    public const long DefaultMaxElements = 1L << 31;

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

    /// <summary>Whether a shape was refused only because it has too many elements for this pass.</summary>
    public bool RefusedSize { get; private set; }

    /// <summary>Refuses sizes that come from data in the file, before memory is allocated.</summary>
    /// <exception cref="InvalidDataException">The shape is negative or has too many elements.</exception>
    public void CheckSize(ReadOnlySpan<long> shape)
    {
        if (TensorShape.ElementCount(shape) is { } count && count <= maxElements)
            return;
        RefusedSize = !shape.ContainsAnyInRange(long.MinValue, -1);
        throw new InvalidDataException(
            $"A tensor of shape {TensorShape.Describe(shape)} is larger than the {maxElements} elements allowed.");
    }
}
