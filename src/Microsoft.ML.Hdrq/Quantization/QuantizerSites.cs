using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Decides where quantizers go and how many bits they have: section 2 of the paper, and more for integer hardware.</summary>
internal sealed class QuantizerSites
{
    private const int EdgeBits = 8;

    private readonly QuantizerPlacement _placement;
    private readonly Graph _graph;
    private readonly DataFlow _flow;
    private readonly ImmutableArray<Layer> _layers;
    private readonly HashSet<GraphNode> _lasts;
    private readonly HashSet<GraphNode> _skipped = [];
    private readonly HashSet<string> _behindLayers;
    private readonly Dictionary<string, QuantizerSite> _sites = new(StringComparer.Ordinal);

    private QuantizerSites(Network network, QuantizerPlacement placement)
    {
        _placement = placement;
        _graph = network.Graph;
        _flow = _graph.Flow;
        _layers = _graph.Layers.All;
        var layers = _layers.Select(layer => layer.Node).ToHashSet();
        // Values in which a weighted layer has had a part, and values that one has still to read.
        _behindLayers = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in _graph.Nodes)
        {
            if (layers.Contains(node) || node.Inputs.Any(_behindLayers.Contains))
                _behindLayers.UnionWith(node.Outputs.Where(_flow.IsData));
        }
        var before = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in _graph.Nodes.Reverse())
        {
            if (layers.Contains(node) || node.Outputs.Any(before.Contains))
                before.UnionWith(_flow.DataInputs(node));
        }
        _lasts = layers.Where(layer => !layer.Outputs.Any(before.Contains)).ToHashSet();
    }

    /// <summary>Finds the places.</summary>
    /// <param name="network">A network in full precision, its normalizations folded.</param>
    /// <param name="placement">The rule.</param>
    /// <param name="weightBits">Bits of weights other than those of the first layers, which no other comes before, and the last ones; these have 8.</param>
    /// <param name="activationBits">Bits of what feeds weighted layers other than the last ones, which are fed 8.</param>
    /// <param name="overrides">Exceptions; the first whose pattern matches a layer's name holds.</param>
    public static ImmutableArray<QuantizerSite> Find(Network network, QuantizerPlacement placement, int weightBits, int activationBits, IReadOnlyList<LayerOverride> overrides)
    {
        var sites = new QuantizerSites(network, placement);
        sites.AddLayers(weightBits, activationBits, overrides);
        if (placement == QuantizerPlacement.Integer)
            sites.AddEdges();
        return [.. sites._sites.Values];
    }

    private void AddLayers(int weightBits, int activationBits, IReadOnlyList<LayerOverride> overrides)
    {
        var layers = _layers.ToDictionary(layer => layer.Node);
        foreach (var node in _graph.Nodes.Where(node => layers.ContainsKey(node) || _flow.IsActivationProduct(node)))
        {
            var exception = overrides.FirstOrDefault(candidate => candidate.Matches(node.Name));
            if (exception is { Skip: true })
                _skipped.Add(node);
            else if (layers.TryGetValue(node, out var layer))
                AddLayer(layer, exception, weightBits, activationBits);
            else
                node.Inputs.Distinct().ToList().ForEach(input => AddActivation(BeforeMoving(input), exception?.ActivationBits ?? activationBits));
        }
    }

    private void AddLayer(Layer layer, LayerOverride? exception, int weightBits, int activationBits)
    {
        var value = _placement == QuantizerPlacement.Paper ? BeforePooling(layer.Input) : BeforeMoving(layer.Input);
        var (isFirst, isLast) = (!_behindLayers.Contains(value), _lasts.Contains(layer.Node));
        _sites.TryAdd(layer.Weight, new QuantizerSite(layer.Weight, exception?.WeightBits ?? (isFirst || isLast ? EdgeBits : weightBits), layer));
        if (!isFirst || _placement == QuantizerPlacement.Integer)
            AddActivation(value, exception?.ActivationBits ?? (isFirst || isLast ? EdgeBits : activationBits));
    }

    private void AddEdges()
    {
        foreach (var node in _graph.Nodes)
        {
            var inputs = _flow.DataInputs(node).Distinct().ToList();
            var joins = node.Operator.Traits.HasFlag(OperatorTraits.Joins) && inputs.Count > 1;
            var pools = node.Operator.Traits.HasFlag(OperatorTraits.Pools);
            if (joins || pools)
                inputs.ForEach(AddEdge);
            if (pools)
                AddEdge(node.Outputs[0]);
            if (_lasts.Contains(node))
                AddEdge(AfterBias(node.Outputs[0]));
        }
    }

    /// <summary>What comes out of a layer that is left in floating point, or goes into it, stays so.</summary>
    private void AddEdge(string value)
    {
        if (!StaysFloat(value))
            AddActivation(BeforeMoving(value), EdgeBits);
    }

    private bool StaysFloat(string value) => _flow.Definer(value) is { } definer && _skipped.Contains(definer) || FeedsSkipped(value);

    private bool FeedsSkipped(string value) =>
        _flow.Readers(value).Any(reader => _skipped.Contains(reader) || KeepsElements(reader) && reader.Inputs[0] == value && FeedsSkipped(reader.Outputs[0]));

    /// <summary>Where to round a value that consists of elements of another: there, so that it is rounded once. Not where a layer in floating point reads the other too.</summary>
    private string BeforeMoving(string value)
    {
        var origin = _flow.Origin(value);
        return StaysFloat(origin) ? value : origin;
    }

    // A value that feeds several layers has the bits of the one that wants fewest, or those of its layers rather than those of an edge.
    private void AddActivation(string value, int bits)
    {
        if (!_sites.TryGetValue(value, out var site) || bits < site.Bits)
            _sites[value] = new QuantizerSite(value, bits, null);
    }

    /// <summary>The value before pooling and changes of shape: the paper quantizes the last block's output, not the vector that pooling makes of it.</summary>
    private string BeforePooling(string value)
    {
        while (_flow.Definer(value) is { } definer && (KeepsElements(definer) || definer.Operator.Traits.HasFlag(OperatorTraits.Averages)))
            value = definer.Inputs[0];
        return value;
    }

    /// <summary>The scores of a layer whose bias is added by a node of its own.</summary>
    private string AfterBias(string value) =>
        _flow.Readers(value).ToList() is [var adder] && adder.Operator.Traits.HasFlag(OperatorTraits.Adds) && _flow.DataInputs(adder).Count() == 1 ? adder.Outputs[0] : value;

    private static bool KeepsElements(GraphNode node) => node.Operator.Traits.HasFlag(OperatorTraits.KeepsElements);
}
