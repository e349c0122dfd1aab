using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Rewrites a network node by node for a pass. Values can be replaced by others, and parameters added or replaced; what
/// no output needs is dropped when the network is built. Inputs and outputs keep their names.
/// </summary>
internal sealed class GraphRewriter
{
    private readonly Network _network;
    private readonly Dictionary<string, ParameterDefinition> _definitions;
    private readonly Dictionary<string, torch.Tensor> _tensors;
    private readonly Dictionary<string, string> _replacements = new(StringComparer.Ordinal);
    private readonly HashSet<string> _outputs;
    private readonly List<GraphNode> _nodes = [];
    private readonly List<string> _order;
    private readonly UniqueNames _names;

    public GraphRewriter(Network network)
    {
        _network = network;
        _definitions = network.Graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        _order = [.. network.Graph.Parameters.Select(parameter => parameter.Name)];
        _names = new UniqueNames(
        [
            .. _order,
            .. network.Graph.Inputs.Select(input => input.Name),
            .. network.Graph.Nodes.SelectMany(node => node.Outputs),
        ]);
        _tensors = new(network.Parameters, StringComparer.Ordinal);
        _outputs = network.Graph.Outputs.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The nodes so far.</summary>
    public IReadOnlyList<GraphNode> Nodes => _nodes;

    /// <summary>Makes a name that no value has yet.</summary>
    public string FreshName(string stem) => _names.Fresh(stem);

    public bool IsGraphOutput(string name) => _outputs.Contains(name);

    public bool IsConstant(string name) =>
        _definitions.TryGetValue(Resolve(name), out var definition) && definition.Role == ParameterRole.Constant;

    public ParameterDefinition? Definition(string name) => _definitions.GetValueOrDefault(Resolve(name));

    public torch.Tensor Tensor(string name) => _tensors[Resolve(name)];

    /// <summary>Adds a parameter, or replaces its value.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="tensor">Its value.</param>
    /// <param name="role">Its role.</param>
    /// <param name="elementType">Its element type where Torch has none; null for the tensor's own.</param>
    public void AddParameter(
        string name, torch.Tensor tensor, ParameterRole role, ElementType? elementType = null)
    {
        if (!_definitions.ContainsKey(name))
            _order.Add(name);
        _definitions[name] = new ParameterDefinition(
            name, elementType ?? ElementTypes.FromTorch(tensor.dtype), tensor.shape, role);
        _tensors[name] = tensor;
    }

    /// <summary>
    /// Lets all later readers of a value read another one. The value may be an output of the graph, whose name then
    /// passes to the other value.
    /// </summary>
    public void Replace(string name, string by) => _replacements[name] = Resolve(by);

    public void AddNode(GraphNode node) => _nodes.Add(node.Inputs.Any(_replacements.ContainsKey)
        ? new GraphNode(node.Name, node.Operator, [.. node.Inputs.Select(Resolve)], node.Outputs)
        : node);

    /// <summary>Builds the network from what the outputs need, with copies of the parameters.</summary>
    public Network Build()
    {
        var nodes = NeededNodes.Backwards(_nodes, _outputs.Select(Resolve)).Reverse().ToList();
        var needed = nodes.SelectMany(node => node.Inputs).Concat(_outputs.Select(Resolve))
            .ToHashSet(StringComparer.Ordinal);
        RenameOutputs(nodes);
        var parameters = _order.Where(needed.Contains).Select(name => _definitions[name]).ToImmutableArray();
        var graph = new Graph(_network.Graph.Inputs, parameters, [.. nodes], _network.Graph.Outputs);
        return new Network(
            graph,
            parameters.ToDictionary(
                parameter => parameter.Name, parameter => _tensors[parameter.Name].detach().clone()),
            _network.Device)
        { Metadata = _network.Metadata, MaxValueSize = _network.MaxValueSize };
    }

    /// <summary>
    /// Gives the outputs' names to the values that replaced them, and new names to the values that had these names
    /// before.
    /// </summary>
    private void RenameOutputs(List<GraphNode> nodes)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var output in _outputs.Where(output => Resolve(output) != output))
        {
            // Only one output can take over a value; a parameter keeps its name.
            if (nodes.Any(node => node.Outputs.Contains(output))
                && nodes.Any(node => node.Outputs.Contains(Resolve(output)))
                && !_outputs.Contains(Resolve(output))
                && names.TryAdd(Resolve(output), output))
            {
                names.Add(output, FreshName($"{output}.before"));
            }
            else
            {
                throw new InvalidOperationException($"Output '{output}' cannot be replaced by '{Resolve(output)}'.");
            }
        }
        if (names.Count == 0)
            return;
        for (var n = 0; n < nodes.Count; n++)
        {
            nodes[n] = new GraphNode(
                nodes[n].Name, nodes[n].Operator,
                [.. nodes[n].Inputs.Select(Rename)], [.. nodes[n].Outputs.Select(Rename)]);
        }

        string Rename(string name) => names.GetValueOrDefault(name, name);
    }

    /// <summary>The value that is read in place of a value; the value itself where it is not replaced.</summary>
    public string Resolve(string name) => _replacements.GetValueOrDefault(name, name);
}
