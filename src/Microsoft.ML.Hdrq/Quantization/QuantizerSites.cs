using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Decides where quantizers go and how many bits they have: section 2 of the paper, with additions for integer
/// hardware.
/// </summary>
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
    private readonly Dictionary<string, (string Input, bool? IsReduced)> _ranges = new(StringComparer.Ordinal);

    private QuantizerSites(Network network, QuantizerPlacement placement)
    {
        _placement = placement;
        _graph = network.Graph;
        _flow = _graph.Flow;
        _layers = _graph.Layers.All;
        var layers = _layers.Select(layer => layer.Node).ToHashSet();
        // Values that depend on a weighted layer, and values that a weighted layer still depends on.
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
    /// <param name="network">A network in full precision, with its normalizations folded.</param>
    /// <param name="placement">The placement rule.</param>
    /// <param name="weightBits">
    /// The bits of weights, except in the first layers (which no other layer precedes) and the last layers, which have
    /// 8 bits.
    /// </param>
    /// <param name="activationBits">
    /// The bits of the inputs of weighted layers, except the inputs of the last layers, which have 8 bits.
    /// </param>
    /// <param name="overrides">Exceptions; for each layer, the first whose pattern matches its name applies.</param>
    /// <param name="reduceRange">See <see cref="QuantizationOptions.ReduceRange"/>.</param>
    public static ImmutableArray<QuantizerSite> Find(
        Network network, QuantizerPlacement placement, int weightBits, int activationBits,
        IReadOnlyList<LayerOverride> overrides, bool reduceRange)
    {
        var sites = new QuantizerSites(network, placement);
        sites.AddLayers(weightBits, activationBits, overrides, reduceRange);
        if (placement == QuantizerPlacement.Integer)
        {
            sites.AddEdges();
            sites.AddOutputs();
        }
        return [.. sites._sites.Values.Select(sites.Reduced)];
    }

    /// <summary>The names of what exceptions can select: layers, and products of two activations.</summary>
    public static IReadOnlyList<string> Names(Graph graph)
    {
        var layers = graph.Layers.All.Select(layer => layer.Node).ToHashSet();
        return
        [
            .. graph.Nodes
                .Where(node => layers.Contains(node) || graph.Flow.IsActivationProduct(node))
                .Select(node => node.Name),
        ];
    }

    private void AddLayers(
        int weightBits, int activationBits, IReadOnlyList<LayerOverride> overrides, bool reduceRange)
    {
        var layers = _layers.ToDictionary(layer => layer.Node);
        var nodes = _graph.Nodes.Where(node => layers.ContainsKey(node) || _flow.IsActivationProduct(node));
        foreach (var node in nodes)
        {
            var exception = overrides.FirstOrDefault(candidate => candidate.Matches(node.Name));
            if (exception is { Skip: true })
            {
                _skipped.Add(node);
            }
            else if (layers.TryGetValue(node, out var layer))
            {
                AddLayer(layer, exception, weightBits, activationBits, reduceRange);
            }
            else
            {
                foreach (var input in node.Inputs.Distinct().ToList())
                    AddActivation(BeforeMoving(input), exception?.ActivationBits ?? activationBits);
            }
        }
    }

    private void AddLayer(
        Layer layer, LayerOverride? exception, int weightBits, int activationBits, bool reduceRange)
    {
        var value = _placement == QuantizerPlacement.Paper
            ? BeforePooling(layer.Input)
            : BeforeMoving(layer.Input);
        var (isFirst, isLast) = (!_behindLayers.Contains(value), _lasts.Contains(layer.Node));
        var weightSiteBits = exception?.WeightBits ?? (isFirst || isLast ? EdgeBits : weightBits);
        if (_sites.TryAdd(layer.Weight, new QuantizerSite(layer.Weight, weightSiteBits, layer)))
            _ranges[layer.Weight] = (value, exception?.ReduceRange ?? (reduceRange ? null : false));
        if (!isFirst || _placement == QuantizerPlacement.Integer)
            AddActivation(value, exception?.ActivationBits ?? (isFirst || isLast ? EdgeBits : activationBits));
    }

    /// <summary>
    /// Reduces the range of a weight of 8 bits whose products with its layer's input could be too large: those with
    /// integers of 8 bits.
    /// </summary>
    private QuantizerSite Reduced(QuantizerSite site)
    {
        if (site is not { Layer: not null, Bits: QuantizationRange.MaxBits })
            return site;
        var (input, isReduced) = _ranges[site.Value];
        return site with
        {
            IsReduced = isReduced
                ?? _sites.TryGetValue(input, out var activation) && activation.Bits == QuantizationRange.MaxBits,
        };
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

    /// <summary>
    /// Quantizes the outputs of layers that nothing has quantized, where integer kernels need it: before activations
    /// that they do not compute themselves, products and the like.
    /// </summary>
    private void AddOutputs()
    {
        foreach (var layer in _layers.Where(layer => layer.Operator.GivesIntegersOnly))
        {
            if (_skipped.Contains(layer.Node))
                continue;
            var value = layer.Output;
            while (!_sites.ContainsKey(value) && _flow.Readers(value).ToList() is [var reader]
                && reader.Operator.Traits.HasFlag(OperatorTraits.FusedActivation))
            {
                value = reader.Outputs[0];
            }
            if (!_sites.ContainsKey(value))
                AddEdge(value);
        }
    }

    /// <summary>
    /// Quantizes a value with 8 bits, unless it is the input or output of a layer that stays in floating point.
    /// </summary>
    private void AddEdge(string value)
    {
        if (!StaysFloat(value))
            AddActivation(BeforeMoving(value), EdgeBits);
    }

    private bool StaysFloat(string value) =>
        _flow.Definer(value) is { } definer && _skipped.Contains(definer) || FeedsSkipped(value);

    private bool FeedsSkipped(string value) => _flow.Readers(value).Any(reader =>
        _skipped.Contains(reader)
        || KeepsElements(reader) && reader.Inputs[0] == value && FeedsSkipped(reader.Outputs[0]));

    /// <summary>
    /// Finds where to round a value that consists of elements of another value: at the other value, so that it is
    /// rounded once, unless a layer in floating point reads the other value too.
    /// </summary>
    private string BeforeMoving(string value)
    {
        var origin = _flow.Origin(value);
        return StaysFloat(origin) ? value : origin;
    }

    // A value that feeds several layers has the minimum of their bits; the bits of a layer take precedence over those
    // of an edge.
    private void AddActivation(string value, int bits)
    {
        if (!_sites.TryGetValue(value, out var site) || bits < site.Bits)
            _sites[value] = new QuantizerSite(value, bits, null);
    }

    /// <summary>
    /// Finds the value before pooling and changes of shape: the paper quantizes the last block's output, not the vector
    /// that pooling computes from it.
    /// </summary>
    private string BeforePooling(string value)
    {
        while (_flow.Definer(value) is { } definer
            && (KeepsElements(definer) || definer.Operator.Traits.HasFlag(OperatorTraits.Averages)))
        {
            value = definer.Inputs[0];
        }
        return value;
    }

    /// <summary>Finds the scores of a layer whose bias is added by a separate node.</summary>
    private string AfterBias(string value) =>
        _flow.Readers(value).ToList() is [var adder]
            && adder.Operator.Traits.HasFlag(OperatorTraits.Adds)
            && _flow.DataInputs(adder).Count() == 1
                ? adder.Outputs[0]
                : value;

    private static bool KeepsElements(GraphNode node) =>
        node.Operator.Traits.HasFlag(OperatorTraits.KeepsElements);
}
