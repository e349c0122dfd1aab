using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// An immutable tensor in managed memory: element type, shape, and the elements row-major in little-endian order. 4-bit
/// elements take one byte each.
/// </summary>
public sealed class TensorData : IEquatable<TensorData>
{
    private readonly byte[] _bytes;
    private readonly long[] _shape;

    /// <summary>Wraps the elements of a tensor.</summary>
    /// <param name="elementType">The type of the elements.</param>
    /// <param name="shape">The sizes of the dimensions, none negative; empty for a scalar.</param>
    /// <param name="bytes">The elements, exactly the number of bytes that the shape and type need. The array must not
    /// be changed afterwards.</param>
    /// <exception cref="ArgumentException">A size is negative, or the shape is too large or does not match
    /// <paramref name="bytes"/>.</exception>
    public TensorData(ElementType elementType, ReadOnlySpan<long> shape, byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        var count = TensorShape.ElementCount(shape);
        if (count is null || count > int.MaxValue || count * elementType.SizeInMemory() != bytes.Length)
        {
            throw new ArgumentException(
                $"A tensor of shape {TensorShape.Describe(shape)} and type {elementType} "
                + $"does not have {bytes.Length} bytes.",
                nameof(bytes));
        }
        ElementType = elementType;
        _shape = shape.ToArray();
        _bytes = bytes;
    }

    /// <summary>The type of the elements.</summary>
    public ElementType ElementType { get; }

    /// <summary>The sizes of the dimensions; empty for a scalar.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>The elements, row-major, little-endian.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The elements, as <see cref="Bytes"/>.</summary>
    internal ReadOnlyMemory<byte> Memory => _bytes;

    /// <summary>Makes a tensor from unmanaged values.</summary>
    internal static TensorData Of<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        var type = default(T) switch
        {
            float => ElementType.Float32,
            double => ElementType.Float64,
            Half => ElementType.Float16,
            long => ElementType.Int64,
            int => ElementType.Int32,
            short => ElementType.Int16,
            sbyte => ElementType.Int8,
            byte => ElementType.UInt8,
            bool => ElementType.Bool,
            _ => throw new ArgumentException($"A network cannot hold elements of {typeof(T)}."),
        };
        return new TensorData(type, shape, MemoryMarshal.AsBytes(values).ToArray());
    }

    /// <summary>Copies a Torch tensor; its element type is the Torch type unless a 4-bit type is given.</summary>
    internal static TensorData FromTorch(torch.Tensor tensor, ElementType? elementType = null)
    {
        using var scope = torch.NewDisposeScope();
        var host = tensor.detach().cpu().contiguous();
        return new TensorData(elementType ?? ElementTypes.FromTorch(tensor.dtype), host.shape, host.bytes.ToArray());
    }

    /// <summary>Copies the elements into a new Torch tensor in host memory, owned by the caller.</summary>
    internal torch.Tensor ToTorch()
    {
        var tensor = torch.empty(_shape, ElementType.ToTorch());
        if (_bytes.Length > 0)
            tensor.bytes = _bytes;
        return tensor;
    }

    /// <inheritdoc/>
    public bool Equals(TensorData? other) =>
        other is not null && ElementType == other.ElementType
        && _shape.AsSpan().SequenceEqual(other._shape) && _bytes.AsSpan().SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TensorData);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(ElementType);
        foreach (var size in _shape)
            hash.Add(size);
        hash.AddBytes(_bytes.AsSpan(0, Math.Min(_bytes.Length, 64)));
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => $"{ElementType}{TensorShape.Describe(_shape)}";
}
