using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Extracts a part of a network as a network of its own.</summary>
internal static class Subgraph
{
    /// <summary>Extracts some nodes.</summary>
    /// <param name="network">The whole network.</param>
    /// <param name="nodes">The nodes of the part, in order.</param>
    /// <param name="inputs">The values that go in.</param>
    /// <param name="output">The value that comes out.</param>
    /// <param name="parameter">Makes the part's tensor from a definition and the whole network's tensor; the part owns
    /// it.</param>
    /// <returns>The part, owned by the caller.</returns>
    public static Network Extract(
        Network network, ImmutableArray<GraphNode> nodes, ImmutableArray<string> inputs, string output,
        Func<ParameterDefinition, torch.Tensor, torch.Tensor> parameter)
    {
        var read = nodes.SelectMany(node => node.Inputs).ToHashSet(StringComparer.Ordinal);
        var definitions = network.Graph.Parameters
            .Where(definition => read.Contains(definition.Name))
            .ToImmutableArray();
        // The shapes of intermediate values depend on the data.
        var graph = new Graph(
            [.. inputs.Select(input => new GraphValue(input, ElementType.Float32, []))],
            definitions,
            nodes,
            [new GraphValue(output, ElementType.Float32, [])]);
        return new Network(
            graph,
            definitions.ToDictionary(
                definition => definition.Name,
                definition => parameter(definition, network.Parameters[definition.Name])),
            network.Device)
        { MaxValueSize = network.MaxValueSize };
    }
}
