using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Decides where quantizers go and how many bits they have: section 2 of the paper, and more for integer hardware.</summary>
internal static class QuantizerSites
{
    private const int EdgeBits = 8;

    /// <summary>Finds the places.</summary>
    /// <param name="network">A network in full precision, its normalizations folded.</param>
    /// <param name="placement">The rule.</param>
    /// <param name="weightBits">Bits of weights other than those of the first and the last layers, which have 8.</param>
    /// <param name="activationBits">Bits of what feeds weighted layers other than the last ones, which are fed 8.</param>
    /// <param name="overrides">Exceptions; the first whose pattern matches a layer's name holds.</param>
    public static ImmutableArray<QuantizerSite> Find(Network network, QuantizerPlacement placement, int weightBits, int activationBits, IReadOnlyList<LayerOverride> overrides)
    {
        var graph = network.Graph;
        var flow = new DataFlow(graph);
        var layers = graph.Nodes.Where(node => flow.WeightInput(node) is { } weight && network.Parameters.ContainsKey(weight)).ToList();
        var lasts = layers.Where(layer => !Downstream(layer, flow).Any(layers.Contains)).ToHashSet();
        var choices = layers.ToDictionary(layer => layer, layer => Choose(layer, layer == layers[0] || lasts.Contains(layer), lasts.Contains(layer)));
        var sites = new Dictionary<string, QuantizerSite>(StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            if (choices[layer] is not { } choice)
                continue;
            var weight = flow.WeightInput(layer)!;
            sites.TryAdd(weight, new QuantizerSite(weight, choice.WeightBits, layer));
            var value = placement == QuantizerPlacement.Paper ? BeforePooling(layer.Inputs[0], flow) : layer.Inputs[0];
            var isInput = layers.TrueForAll(other => !Upstream(value, flow).Contains(other));
            if (isInput && placement == QuantizerPlacement.Paper)
                continue;
            AddActivation(value, isInput ? EdgeBits : choice.ActivationBits);
        }
        if (placement == QuantizerPlacement.Integer)
        {
            foreach (var node in graph.Nodes)
            {
                var inputs = flow.DataInputs(node).Distinct().ToList();
                var joins = node.Operator.Type is "Add" or "Concat" && inputs.Count > 1;
                var pools = node.Operator.Type is "MaxPool" or "AveragePool" or "GlobalAveragePool" or "GlobalMaxPool";
                if (joins || pools)
                    inputs.ForEach(AddEdge);
                if (pools || lasts.Contains(node))
                    AddEdge(node.Outputs[0]);
            }
        }
        return [.. sites.Values];

        void AddEdge(string value)
        {
            if (!Upstream(value, flow).Any(node => choices.TryGetValue(node, out var choice) && choice is null && node == flow.Definer(value)))
                AddActivation(value, EdgeBits);
        }

        // A value that feeds several layers has the bits of the one that wants fewest, or those of its layers rather than those of an edge.
        void AddActivation(string value, int bits)
        {
            if (!sites.TryGetValue(value, out var site) || bits < site.Bits)
                sites[value] = new QuantizerSite(value, bits, null);
        }

        (int WeightBits, int ActivationBits)? Choose(GraphNode layer, bool isOuter, bool isLast)
        {
            var exception = overrides.FirstOrDefault(candidate => Regex.IsMatch(layer.Name, candidate.Pattern, RegexOptions.CultureInvariant));
            if (exception is { Skip: true })
                return null;
            return (exception?.WeightBits ?? (isOuter ? EdgeBits : weightBits), exception?.ActivationBits ?? (isLast ? EdgeBits : activationBits));
        }
    }

    /// <summary>The value before pooling and changes of shape: the paper quantizes the last block's output, not the vector that pooling makes of it.</summary>
    private static string BeforePooling(string value, DataFlow flow)
    {
        while (flow.Definer(value) is { } definer && definer.Operator.Type is "Flatten" or "Reshape" or "Squeeze" or "AveragePool" or "GlobalAveragePool" or "ReduceMean" or "Dropout" or "Identity")
            value = definer.Inputs[0];
        return value;
    }

    private static HashSet<GraphNode> Downstream(GraphNode node, DataFlow flow) => Reach(node.Outputs.SelectMany(flow.Readers), reached => reached.Outputs.SelectMany(flow.Readers));

    private static HashSet<GraphNode> Upstream(string value, DataFlow flow)
    {
        return Reach(Definers([value]), reached => Definers(flow.DataInputs(reached)));

        IEnumerable<GraphNode> Definers(IEnumerable<string> values) => values.Select(flow.Definer).OfType<GraphNode>();
    }

    private static HashSet<GraphNode> Reach(IEnumerable<GraphNode> starts, Func<GraphNode, IEnumerable<GraphNode>> next)
    {
        var reached = new HashSet<GraphNode>();
        var waiting = new Stack<GraphNode>(starts);
        while (waiting.TryPop(out var node))
        {
            if (!reached.Add(node))
                continue;
            foreach (var following in next(node))
                waiting.Push(following);
        }
        return reached;
    }
}
