namespace Microsoft.ML.Hdrq.Networks;

/// <summary>An input or output of a graph.</summary>
public sealed class GraphValue : IEquatable<GraphValue>
{
    private readonly long[] _shape;

    /// <summary>Describes an input or output.</summary>
    /// <param name="name">Its name, unique among the values of the graph.</param>
    /// <param name="elementType">The type of its elements.</param>
    /// <param name="shape">The sizes of its dimensions, -1 where a size is known only with the batch; the first
    /// dimension is the batch.</param>
    /// <exception cref="ArgumentException">The name is empty or a size is below -1.</exception>
    public GraphValue(string name, ElementType elementType, ReadOnlySpan<long> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (shape.ContainsAnyInRange(long.MinValue, TensorShape.Dynamic - 1))
        {
            throw new ArgumentException(
                $"'{name}' has shape {TensorShape.Describe(shape)}; a size is -1 or not negative.", nameof(shape));
        }
        Name = name;
        ElementType = elementType;
        _shape = shape.ToArray();
    }

    /// <summary>The value's name.</summary>
    public string Name { get; }

    /// <summary>The type of its elements.</summary>
    public ElementType ElementType { get; }

    /// <summary>The sizes of its dimensions, -1 where a size is known only with the batch.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <inheritdoc/>
    public bool Equals(GraphValue? other) =>
        other is not null && Name == other.Name && ElementType == other.ElementType
        && _shape.AsSpan().SequenceEqual(other._shape);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GraphValue);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, ElementType, _shape.Length);

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {ElementType}{TensorShape.Describe(_shape)}";
}
