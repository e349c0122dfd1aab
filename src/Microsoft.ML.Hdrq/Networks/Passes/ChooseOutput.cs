using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>Leaves a network one of its outputs, and what it needs.</summary>
internal static class ChooseOutput
{
    /// <summary>The graph with one output.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="output">The output's name.</param>
    public static Graph Of(Graph graph, string output)
    {
        ImmutableArray<GraphNode> nodes = [.. NeededNodes.Backwards(graph.Nodes, [output]).Reverse()];
        var read = nodes.SelectMany(node => node.Inputs).Append(output).ToHashSet(StringComparer.Ordinal);
        return new Graph(
            graph.Inputs,
            [.. graph.Parameters.Where(parameter => read.Contains(parameter.Name))],
            nodes,
            [graph.Outputs.Single(value => value.Name == output)]);
    }

    /// <summary>Copies a network with one output, on the same device.</summary>
    /// <returns>The copy, owned by the caller.</returns>
    public static Network Apply(Network network, string output)
    {
        using var noGradients = torch.no_grad();
        return network.To(network.Device, Of(network.Graph, output));
    }
}
