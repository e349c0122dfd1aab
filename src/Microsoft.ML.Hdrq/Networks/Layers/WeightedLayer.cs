using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>A layer with a weight of its own, in full precision or quantized.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Node">The layer.</param>
/// <param name="Weight">The name of its weight, as it is before a quantizer.</param>
/// <param name="WeightQuantizer">What quantizes the weight; null where nothing does.</param>
/// <param name="InputQuantizer">What quantizes the layer's input; null where nothing does.</param>
internal sealed record WeightedLayer(string Name, GraphNode Node, string Weight, GraphNode? WeightQuantizer, GraphNode? InputQuantizer)
{
    /// <summary>The layers of a graph, in order.</summary>
    public static ImmutableArray<WeightedLayer> Find(Graph graph)
    {
        var flow = new DataFlow(graph);
        var parameters = graph.Parameters.Where(parameter => parameter.ElementType.IsFloat()).Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        var layers = ImmutableArray.CreateBuilder<WeightedLayer>();
        foreach (var node in graph.Nodes)
        {
            if (flow.WeightInput(node) is not { } input)
                continue;
            var quantizer = flow.Definer(input) is { Operator: FakeQuantize } definer ? definer : null;
            var weight = quantizer?.Inputs[0] ?? input;
            if (parameters.Contains(weight))
                layers.Add(new WeightedLayer(node.Name, node, weight, quantizer, flow.Definer(GridFlow.Origin(flow, node.Inputs[0])) is { Operator: FakeQuantize } before ? before : null));
        }
        return layers.ToImmutable();
    }

    /// <summary>The bits of the weight; null where it is not quantized.</summary>
    public int? WeightBits => (WeightQuantizer?.Operator as FakeQuantize)?.Range.Bits;

    /// <summary>The bits of the input; null where it is not quantized.</summary>
    public int? ActivationBits => (InputQuantizer?.Operator as FakeQuantize)?.Range.Bits;

    /// <summary>The number of the weight's elements.</summary>
    public long Count(Network network) => network.Parameters[Weight].numel();

    /// <summary>The weight that the layer computes with: on its grid where it is quantized. A new tensor without gradients.</summary>
    public torch.Tensor Value(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var weight = network.Parameters[Weight].detach();
        if (WeightQuantizer is not { Operator: FakeQuantize quantizer })
            return weight.clone().MoveToOuterDisposeScope();
        return NearestRounding.Instance.Apply(weight, quantizer.Spread(network.Parameters[WeightQuantizer.Inputs[1]].detach(), weight), quantizer.Range).MoveToOuterDisposeScope();
    }

    /// <summary>The same layers of two networks, one of which may be quantized and the other not: by their order.</summary>
    /// <exception cref="ArgumentException">They are not as many, or of other shapes.</exception>
    public static ImmutableArray<(WeightedLayer First, WeightedLayer Second)> Pair(Network first, Network second)
    {
        var (layers, others) = (Find(first.Graph), Find(second.Graph));
        if (layers.Length != others.Length)
            throw new ArgumentException($"One network has {layers.Length} layers with weights and the other {others.Length}; they do not descend from one source.");
        for (var i = 0; i < layers.Length; i++)
        {
            var (shape, other) = (first.Parameters[layers[i].Weight].shape, second.Parameters[others[i].Weight].shape);
            if (!shape.AsSpan().SequenceEqual(other))
                throw new ArgumentException($"The weight of layer '{layers[i].Name}' has shape {TensorShape.Describe(shape)} in one network and {TensorShape.Describe(other)} in the other; they do not descend from one source.");
        }
        return [.. layers.Zip(others)];
    }
}
