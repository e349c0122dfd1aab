using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The computation of a node: an ONNX operator in the form of opset 21, with its attributes. Operators are immutable,
/// hold no trained parameters, and are equal when their types and attributes are. Attributes that have their default
/// values are left out. Operators are made by name: <see cref="Create"/>.
/// </summary>
public abstract class Operator : IEquatable<Operator>
{
    private protected Operator(string type, OperatorAttributes attributes)
    {
        Type = type;
        Attributes = attributes;
    }

    /// <summary>The operator's ONNX name, for example <c>Conv</c>.</summary>
    public string Type { get; }

    /// <summary>
    /// The operator's attributes by their ONNX names, without those that have the ONNX default value: these are absent,
    /// whether or not they were given.
    /// </summary>
    public OperatorAttributes Attributes { get; private set; }

    /// <summary>Whether an operator of this ONNX name exists in this library.</summary>
    /// <param name="type">The ONNX name, in the default domain.</param>
    /// <returns>True when <see cref="Create"/> knows it.</returns>
    public static bool IsSupported(string type) => OperatorTable.Definitions.ContainsKey(type);

    /// <summary>Makes an operator.</summary>
    /// <param name="type">The ONNX name, in the default domain.</param>
    /// <param name="attributes">Its attributes, in the form of opset 21; null for none.</param>
    /// <returns>The operator.</returns>
    /// <exception cref="NotSupportedException">The operator is not supported.</exception>
    /// <exception cref="InvalidDataException">An attribute is missing, of the wrong type, or out of range.</exception>
    public static Operator Create(string type, OperatorAttributes? attributes = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        if (!OperatorTable.Definitions.TryGetValue(type, out var definition))
            throw new NotSupportedException($"Operator '{type}' is not supported.");
        // The constructor reads all attributes that it supports; those with their default values are removed.
        var given = (attributes ?? OperatorAttributes.None).Recording();
        var created = definition.Create(type, given);
        created.Attributes = given.WithoutDefaults();
        return created;
    }

    /// <summary>The operator's entry in the table: its numbers of inputs, opset, roles of inputs.</summary>
    internal OperatorDefinition Definition => OperatorTable.Definitions[Type];

    /// <summary>The operator's traits: those of its entry in the table, unless its attributes exclude one.</summary>
    internal virtual OperatorTraits Traits => Definition.Traits;

    /// <summary>
    /// Whether an input is read as a list of integers, or as one value, whatever its rank and whether its integers have
    /// 32 or 64 bits. Constants for such an input are equivalent if they differ only in rank or integer type.
    /// </summary>
    internal virtual bool ReadsAsList(int input) => false;

    /// <summary>Whether the operator simulates integer arithmetic in floating point.</summary>
    internal virtual bool IsSimulation => false;

    /// <summary>
    /// Computes the outputs. Inputs are borrowed; an optional input that is left out is null. Every output is a new
    /// tensor handle, even where it shares memory with an input. The caller's dispose scope disposes the rest.
    /// </summary>
    internal abstract torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context);

    /// <inheritdoc/>
    public bool Equals(Operator? other) =>
        other is not null && Type == other.Type && Attributes.Equals(other.Attributes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Operator);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, Attributes);

    /// <inheritdoc/>
    public override string ToString() => Attributes.Count == 0 ? Type : $"{Type}({Attributes})";
}
