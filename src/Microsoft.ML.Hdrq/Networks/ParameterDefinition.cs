namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The definition of a parameter in a graph: everything except its values.</summary>
public sealed class ParameterDefinition : IEquatable<ParameterDefinition>
{
    private readonly long[] _shape;

    /// <summary>Describes a parameter.</summary>
    /// <param name="name">Its name, unique in the graph.</param>
    /// <param name="elementType">The type of its elements.</param>
    /// <param name="shape">The sizes of its dimensions; empty for a scalar.</param>
    /// <param name="role">How training and merging treat it.</param>
    public ParameterDefinition(string name, ElementType elementType, ReadOnlySpan<long> shape, ParameterRole role)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
        ElementType = elementType;
        Role = role;
        _shape = shape.ToArray();
    }

    /// <summary>The parameter's name, unique in the graph.</summary>
    public string Name { get; }

    /// <summary>The type of its elements.</summary>
    public ElementType ElementType { get; }

    /// <summary>The sizes of its dimensions; empty for a scalar.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>How training and merging treat it.</summary>
    public ParameterRole Role { get; }

    /// <inheritdoc/>
    public bool Equals(ParameterDefinition? other) =>
        other is not null && Name == other.Name && ElementType == other.ElementType
        && Role == other.Role && _shape.AsSpan().SequenceEqual(other._shape);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ParameterDefinition);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, ElementType, Role, _shape.Length);

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {ElementType}{TensorShape.Describe(_shape)} ({Role})";
}
