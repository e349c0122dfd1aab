using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// The layers and quantizers of a graph, found once: each layer with its weight and the quantizers of its weight and
/// input. Quantizer placement, reconstruction, Gram matrices, merging, writing and reports use it.
/// </summary>
internal sealed class GraphLayers
{
    private readonly Dictionary<GraphNode, Layer> _byNode = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<GraphNode, Quantizer> _quantizers = new(ReferenceEqualityComparer.Instance);
    private readonly Graph _graph;
    private readonly DataFlow _flow;

    public GraphLayers(Graph graph)
    {
        (_graph, _flow) = (graph, graph.Flow);
        var parameters = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        Quantizers =
        [
            .. from node in graph.Nodes
               where node.Operator is FakeQuantize
               select new Quantizer(node, (FakeQuantize)node.Operator,
                   IsFloat(node.Inputs[0]) && IsFloat(node.Inputs[1])),
        ];
        Scales = Quantizers.Select(quantizer => quantizer.Scale).ToHashSet(StringComparer.Ordinal);
        foreach (var quantizer in Quantizers)
            _quantizers.Add(quantizer.Node, quantizer);
        Weighted = [.. graph.Nodes.Where(_flow.IsWeighted).Select(Find)];
        foreach (var layer in Weighted)
            _byNode.Add(layer.Node, layer);
        All = [.. Weighted.Where(layer => layer.Parameter is not null)];

        bool IsFloat(string name) => parameters.TryGetValue(name, out var parameter) && parameter.ElementType.IsFloat();

        Layer Find(GraphNode node)
        {
            var quantizer = DefinedBy(node.Inputs[LayerOperator.WeightInput]);
            var weight = quantizer?.Value ?? node.Inputs[LayerOperator.WeightInput];
            return new Layer(
                node, (LayerOperator)node.Operator, weight, IsFloat(weight) ? parameters[weight] : null, quantizer,
                DefinedBy(_flow.Origin(node.Inputs[LayerOperator.DataInput])));
        }
    }

    /// <summary>The layers whose weight is a floating-point parameter, in the order of the graph.</summary>
    public ImmutableArray<Layer> All { get; }

    /// <summary>
    /// All layers, including those whose weight is computed from parameters, in the order of the graph.
    /// </summary>
    public ImmutableArray<Layer> Weighted { get; }

    /// <summary>
    /// The names of the head's weights: the parameters that are read after all layers but the last ones, and by these.
    /// </summary>
    public IReadOnlySet<string> Head
    {
        get
        {
            var before = new HashSet<string>(StringComparer.Ordinal);
            var head = new HashSet<string>(StringComparer.Ordinal);
            foreach (var node in _graph.Nodes.Reverse())
            {
                if (node.Outputs.Any(before.Contains))
                    before.UnionWith(node.Inputs);
                else
                    head.UnionWith(node.Inputs);
                if (_byNode.ContainsKey(node))
                    before.UnionWith(node.Inputs);
            }
            // A weight that a layer before reads too is not the head's alone.
            head.ExceptWith(
                _graph.Nodes.Where(node => node.Outputs.Any(before.Contains)).SelectMany(node => node.Inputs));
            return head;
        }
    }

    /// <summary>
    /// The layer that ends the network: between it and the scores, nodes read one value after the other. Null where
    /// there is none.
    /// </summary>
    public Layer? Last
    {
        get
        {
            var value = _graph.Outputs[0].Name;
            while (_flow.Definer(value) is { } node)
            {
                if (Of(node) is { } layer)
                    return layer;
                if (_flow.DataInputs(node).ToList() is not [var input])
                    return null;
                value = input;
            }
            return null;
        }
    }

    /// <summary>The names of the scales of all quantizers.</summary>
    public IReadOnlySet<string> Scales { get; }

    /// <summary>All quantizers, in the order of the graph.</summary>
    public ImmutableArray<Quantizer> Quantizers { get; }

    /// <summary>The layers whose inputs have Gram matrices; where several share a weight, only the first.</summary>
    public IEnumerable<Layer> MatrixProducts =>
        All.Where(layer => layer.IsMatrixProduct).DistinctBy(layer => layer.Weight);

    /// <summary>The layer of a node; null where the node is no layer.</summary>
    public Layer? Of(GraphNode node) => _byNode.GetValueOrDefault(node);

    /// <summary>The quantizer of a node; null where the node is no quantizer.</summary>
    public Quantizer? QuantizerOf(GraphNode node) => _quantizers.GetValueOrDefault(node);

    /// <summary>The quantizer that defines a value; null where none does.</summary>
    public Quantizer? DefinedBy(string value) => _flow.Definer(value) is { } node ? QuantizerOf(node) : null;

    /// <summary>
    /// Pairs the layers of two networks by their order; one network may be quantized and the other not.
    /// </summary>
    /// <exception cref="ArgumentException">The networks have different numbers of layers, or weights of different
    /// shapes.</exception>
    public static ImmutableArray<(Layer First, Layer Second)> Pair(Network first, Network second)
    {
        var (layers, others) = (first.Graph.Layers.All, second.Graph.Layers.All);
        if (layers.Length != others.Length)
        {
            throw new ArgumentException($"One network has {layers.Length} layers with weights "
                + $"and the other {others.Length}; they do not descend from one source.");
        }
        for (var i = 0; i < layers.Length; i++)
        {
            var shape = layers[i].Parameter!.Shape;
            var other = others[i].Parameter!.Shape;
            if (!shape.SequenceEqual(other))
            {
                throw new ArgumentException(
                    $"The weight of layer '{layers[i].Name}' has shape {TensorShape.Describe(shape)} in one network "
                    + $"and {TensorShape.Describe(other)} in the other; "
                    + "they do not descend from one source.");
            }
        }
        return [.. layers.Zip(others)];
    }
}
