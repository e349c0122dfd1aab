using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>One application of an operator in a graph.</summary>
public sealed class GraphNode
{
    /// <summary>Describes a node.</summary>
    /// <param name="name">A name for messages and for choosing layers; need not be unique.</param>
    /// <param name="operator">What the node computes.</param>
    /// <param name="inputs">Names of the values and parameters that it reads; an empty name stands for an optional
    /// input left out.</param>
    /// <param name="outputs">Names of the values that it defines; an empty name stands for an optional output left
    /// out.</param>
    /// <exception cref="ArgumentException">A list of names is not initialized.</exception>
    public GraphNode(string name, Operator @operator, ImmutableArray<string> inputs, ImmutableArray<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(@operator);
        if (inputs.IsDefault || outputs.IsDefault)
        {
            throw new ArgumentException(
                $"Node '{name}' ({@operator.Type}) has no list of {(inputs.IsDefault ? "inputs" : "outputs")}.");
        }
        Name = name;
        Operator = @operator;
        Inputs = inputs;
        Outputs = outputs;
    }

    /// <summary>A name for messages and for choosing layers.</summary>
    public string Name { get; }

    /// <summary>What the node computes.</summary>
    public Operator Operator { get; }

    /// <summary>Names of the values and parameters that the node reads; empty for an optional input left out.</summary>
    public ImmutableArray<string> Inputs { get; }

    /// <summary>Names of the values that the node defines; empty for an optional output left out.</summary>
    public ImmutableArray<string> Outputs { get; }

    /// <summary>
    /// The node as messages show it: its name, or its first output where it has no name, and its operator.
    /// </summary>
    /// <returns>For example <c>'/layer1/conv1/Conv' (Conv)</c>.</returns>
    public override string ToString() =>
        $"'{(Name.Length > 0 ? Name : Outputs.FirstOrDefault(output => output.Length > 0) ?? "?")}' ({Operator.Type})";
}
