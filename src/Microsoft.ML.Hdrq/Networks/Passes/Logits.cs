using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Takes away what turns a network's scores into probabilities: a cross-entropy of probabilities hardly trains.
/// </summary>
internal static class Logits
{
    /// <summary>Whether a network's first output holds probabilities.</summary>
    public static bool AreHidden(Graph graph) => Find(graph) is not null;

    /// <summary>
    /// The graph without the function at its end that gives probabilities; the graph itself if it has none. Parameters
    /// and names stay the same.
    /// </summary>
    public static Graph Of(Graph graph)
    {
        if (Find(graph) is not { } last)
            return graph;
        var passing = new GraphNode(last.Name, Operator.Create("Identity"), [last.Inputs[0]], last.Outputs);
        return new Graph(
            graph.Inputs, graph.Parameters,
            [.. graph.Nodes.Select(node => ReferenceEquals(node, last) ? passing : node)], graph.Outputs);
    }

    /// <summary>Copies a network to a device, without the function at its end that gives probabilities.</summary>
    /// <returns>The copy, owned by the caller.</returns>
    public static Network Copy(Network network, torch.Device device) => network.To(device, Of(network.Graph));

    private static GraphNode? Find(Graph graph)
    {
        var definer = graph.Flow.Definer(graph.Outputs[0].Name);
        while (definer is not null && Has(definer, OperatorTraits.KeepsElements, OperatorTraits.Rearranges))
            definer = graph.Flow.Definer(definer.Inputs[0]);
        return definer is not null && Has(definer, OperatorTraits.GivesProbabilities) ? definer : null;
    }

    private static bool Has(GraphNode node, params ReadOnlySpan<OperatorTraits> traits)
    {
        foreach (var trait in traits)
        {
            if (node.Operator.Traits.HasFlag(trait))
                return true;
        }
        return false;
    }
}
