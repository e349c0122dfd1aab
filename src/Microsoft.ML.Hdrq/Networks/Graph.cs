using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// The topology of a network: its inputs, parameters, nodes and outputs, without the parameters' values. Immutable. Two
/// graphs are equal when they compute the same with the same parameters: the names of inputs, outputs, weights and
/// statistics count; the names of nodes, intermediate values and constants do not. A constant is identified by the
/// places where it is read; where a list of integers or a single integer is expected, it may have 32 or 64 bits and one
/// dimension or none. Networks can be merged exactly when their graphs are equal and their constants have the same
/// values.
/// </summary>
public sealed class Graph : IEquatable<Graph>
{
    private readonly Lazy<ExecutionPlan> _plan;
    private readonly Lazy<DataFlow> _flow;
    private readonly Lazy<GraphLayers> _layers;

    /// <summary>Creates a graph.</summary>
    /// <param name="inputs">The inputs of a forward pass; at least one.</param>
    /// <param name="parameters">The parameters that a network with this graph holds.</param>
    /// <param name="nodes">The nodes; every node comes after those whose outputs it reads.</param>
    /// <param name="outputs">The outputs of a forward pass; at least one.</param>
    /// <exception cref="ArgumentException">A name is defined twice, or read before it is defined, or not defined at
    /// all; a node has too few or too many inputs or outputs; or the graph has no inputs or no outputs. The message
    /// names the node and the value.</exception>
    public Graph(
        ImmutableArray<GraphValue> inputs, ImmutableArray<ParameterDefinition> parameters,
        ImmutableArray<GraphNode> nodes, ImmutableArray<GraphValue> outputs)
    {
        Inputs = inputs;
        Parameters = parameters;
        Nodes = nodes;
        Outputs = outputs;
        Validate();
        _plan = new Lazy<ExecutionPlan>(() => new ExecutionPlan(this));
        _flow = new Lazy<DataFlow>(() => new DataFlow(this));
        _layers = new Lazy<GraphLayers>(() => new GraphLayers(this));
    }

    /// <summary>The inputs of a forward pass.</summary>
    public ImmutableArray<GraphValue> Inputs { get; }

    /// <summary>The parameters that a network with this graph holds, in the order of definition.</summary>
    public ImmutableArray<ParameterDefinition> Parameters { get; }

    /// <summary>The nodes, each after those whose outputs it reads.</summary>
    public ImmutableArray<GraphNode> Nodes { get; }

    /// <summary>The outputs of a forward pass.</summary>
    public ImmutableArray<GraphValue> Outputs { get; }

    /// <summary>Where each value is stored during a forward pass, and when it is freed.</summary>
    internal ExecutionPlan Plan => _plan.Value;

    /// <summary>Which values carry data, and which nodes define and read them.</summary>
    internal DataFlow Flow => _flow.Value;

    /// <summary>Layers and quantizers.</summary>
    internal GraphLayers Layers => _layers.Value;

    /// <summary>Finds the first difference between two graphs.</summary>
    /// <param name="other">The graph to compare with.</param>
    /// <returns>One sentence that names the first difference, or null when the graphs are equal.</returns>
    public string? FirstDifference(Graph other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return ReferenceEquals(this, other) ? null : GraphComparison.FirstDifference(this, other);
    }

    /// <inheritdoc/>
    public bool Equals(Graph? other) => other is not null && FirstDifference(other) is null;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Graph);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var input in Inputs)
            hash.Add(input);
        foreach (var node in Nodes)
            hash.Add(node.Operator);
        return hash.ToHashCode();
    }

    private void Validate()
    {
        if (Parameters.IsDefault || Nodes.IsDefault)
        {
            throw new ArgumentException(
                $"The list of {(Nodes.IsDefault ? "nodes" : "parameters")} is not initialized.");
        }
        if (Inputs.IsDefaultOrEmpty)
            throw new ArgumentException("A graph needs at least one input.");
        if (Outputs.IsDefaultOrEmpty)
            throw new ArgumentException("A graph needs at least one output.");
        var defined = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in Inputs.Select(input => input.Name).Concat(Parameters.Select(parameter => parameter.Name)))
        {
            if (!defined.Add(name))
                throw new ArgumentException($"'{name}' is defined twice.");
        }
        foreach (var node in Nodes)
        {
            var definition = node.Operator.Definition;
            if (node.Inputs.Length > definition.MaxInputs || node.Inputs.Length < definition.MinInputs)
            {
                throw new ArgumentException($"Node {node} has {node.Inputs.Length} inputs; "
                    + $"{node.Operator.Type} takes {definition.MinInputs} to {definition.MaxInputs}.");
            }
            // Where a node takes any number of inputs, none is optional.
            if (node.Inputs.Take(definition.MaxInputs == int.MaxValue ? int.MaxValue : definition.MinInputs)
                .Any(input => input.Length == 0))
            {
                throw new ArgumentException($"Node {node} leaves out an input that {node.Operator.Type} needs.");
            }
            if (node.Outputs.Length > definition.MaxOutputs || node.Outputs.IsEmpty)
            {
                throw new ArgumentException($"Node {node} has {node.Outputs.Length} outputs; "
                    + $"{node.Operator.Type} gives 1 to {definition.MaxOutputs}.");
            }
            foreach (var input in node.Inputs)
            {
                if (input.Length > 0 && !defined.Contains(input))
                    throw new ArgumentException($"Node {node} reads '{input}', which is not defined before it.");
            }
            foreach (var output in node.Outputs)
            {
                if (output.Length > 0 && !defined.Add(output))
                    throw new ArgumentException($"Node {node} defines '{output}', which is defined already.");
            }
        }
        var outputs = new HashSet<string>(StringComparer.Ordinal);
        foreach (var output in Outputs)
        {
            if (!outputs.Add(output.Name))
                throw new ArgumentException($"The graph's output '{output.Name}' is listed twice.");
            if (!defined.Contains(output.Name))
                throw new ArgumentException($"The graph's output '{output.Name}' is not defined.");
        }
    }
}
