using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// What a node computes: an ONNX operator in its form of opset 21, with its attributes. Operators are immutable, hold no numbers that are trained,
/// and are equal when their type and attributes are. Attributes that say what their absence says are left out. They are
/// made by name: <see cref="Create"/>.
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
    /// The operator's attributes by their ONNX names, but those that have the ONNX default: these are absent, whether
    /// or not they were given.
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
    /// <exception cref="NotSupportedException">There is no such operator here.</exception>
    /// <exception cref="InvalidDataException">An attribute is missing, of the wrong type, or out of range.</exception>
    public static Operator Create(string type, OperatorAttributes? attributes = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        if (!OperatorTable.Definitions.TryGetValue(type, out var definition))
            throw new NotSupportedException($"Operator '{type}' is not supported.");
        // The constructor reads every attribute that it knows with its default: what it finds there says nothing.
        var given = (attributes ?? OperatorAttributes.None).Recording();
        var created = definition.Create(type, given);
        created.Attributes = given.WithoutDefaults();
        return created;
    }

    /// <summary>What the table says of this operator: arity, opset, roles of its inputs.</summary>
    internal OperatorDefinition Definition => OperatorTable.Definitions[Type];

    /// <summary>What algorithms ask of the operator: its line of the table, unless its attributes take a trait away.</summary>
    internal virtual OperatorTraits Traits => Definition.Traits;

    /// <summary>
    /// Whether an input is read as a list of integers, or as one number, whatever its rank and whether its integers
    /// have 32 or 64 bits: constants that differ in nothing else mean the same there.
    /// </summary>
    internal virtual bool ReadsAsList(int input) => false;

    /// <summary>Whether the operator stands for integer arithmetic that it computes in floating point.</summary>
    internal virtual bool IsSimulation => false;

    /// <summary>
    /// Computes the outputs. Inputs are borrowed (null where an optional one is left out); every output is a new tensor handle,
    /// also where it shares memory with an input. The caller's dispose scope collects what is left over.
    /// </summary>
    internal abstract torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context);

    /// <inheritdoc/>
    public bool Equals(Operator? other) => other is not null && Type == other.Type && Attributes.Equals(other.Attributes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Operator);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, Attributes);

    /// <inheritdoc/>
    public override string ToString() => Attributes.Count == 0 ? Type : $"{Type}({Attributes})";
}
