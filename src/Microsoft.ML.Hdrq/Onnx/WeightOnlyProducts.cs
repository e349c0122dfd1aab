using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Linear layers whose weights are integers in blocks and whose inputs are not rounded: <c>DequantizeLinear</c> of
/// blocks along the inputs, and <c>MatMul</c>, of which ONNX Runtime makes one kernel, <c>MatMulNBits</c>.
/// </summary>
internal static class WeightOnlyProducts
{
    /// <summary>
    /// The largest block; a layer with fewer inputs has the largest power of two that they fill, but at least
    /// <see cref="SmallestBlock"/>. All blocks of an output have its scale, so that size and speed alone decide.
    /// </summary>
    private const int LargestBlock = 128;

    /// <summary>The smallest block of the kernel.</summary>
    private const int SmallestBlock = 16;

    /// <summary>Rewrites a quantized network.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>The rewritten network, owned by the caller.</returns>
    /// <exception cref="NotSupportedException">It has no linear layer with a quantized weight.</exception>
    public static Network Apply(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (flow, layers) = (network.Graph.Flow, network.Graph.Layers);
        var linear = layers.All.Where(IsLinear).ToDictionary(layer => layer.Node);
        if (linear.Count == 0)
        {
            throw new NotSupportedException(
                $"{nameof(OnnxSaveOptions.WeightOnlyProducts)} is for networks with quantized linear layers (MatMul) of "
                + $"at least {SmallestBlock} inputs; this network has none.");
        }
        // Layers that still compute on integers.
        var integer = layers.All
            .Where(layer => layer.WeightQuantizer is not null && !linear.ContainsKey(layer.Node))
            .Select(layer => layer.Node)
            .ToHashSet();
        var rewriter = new GraphRewriter(network);
        var unrounded = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in network.Graph.Nodes)
        {
            if (layers.QuantizerOf(node) is { IsWeight: false } && !Serves(node))
                rewriter.Replace(node.Outputs[0], node.Inputs[0]);
            else if (linear.TryGetValue(node, out var layer))
                AddLinear(layer);
            else
                rewriter.AddNode(node);
        }
        return rewriter.Build();

        // A quantizer that an integer kernel needs: of what it reads or gives, perhaps moved.
        bool Serves(GraphNode quantizer) =>
            flow.Definer(flow.Origin(quantizer.Inputs[0])) is { } definer && Gives(definer)
            || Feeds(quantizer.Outputs[0]);

        // Activations in the layer's kernel, and the addition of its bias, are between a layer and its quantizer.
        bool Gives(GraphNode definer) => integer.Contains(definer)
            || (definer.Operator.Traits.HasFlag(OperatorTraits.FusedActivation)
                && flow.Definer(definer.Inputs[0]) is { } before && Gives(before));

        bool Feeds(string value) => flow.Readers(value).Any(reader =>
            integer.Contains(reader) || (DataFlow.MovesValues(reader) && Feeds(reader.Outputs[0])));

        // A value before it is rounded for a layer that still computes on integers, moved as it is.
        string Unrounded(string value)
        {
            if (unrounded.TryGetValue(value, out var known) || flow.Definer(value) is not { } definer)
                return known ?? value;
            var result = value;
            if (layers.QuantizerOf(definer) is not null)
            {
                result = definer.Inputs[0];
            }
            else if (DataFlow.MovesValues(definer) && definer.Outputs.Length == 1
                && Unrounded(definer.Inputs[0]) is var moved && moved != definer.Inputs[0])
            {
                result = rewriter.FreshName($"{value}.unrounded");
                rewriter.AddNode(new GraphNode(result, definer.Operator, [moved, .. definer.Inputs[1..]], [result]));
            }
            unrounded.Add(value, result);
            return result;
        }

        void AddLinear(Layer layer)
        {
            var quantizer = layer.WeightQuantizer!;
            var (bits, inputs) = (quantizer.Operator.Range.Bits, layer.Parameter!.Shape[0]);
            var block = SmallestBlock;
            while (block < LargestBlock && 2 * block <= inputs)
                block *= 2;
            var type = bits <= 4 ? ElementType.Int4 : ElementType.Int8;
            var (weight, scale) = (rewriter.Tensor(quantizer.Value), rewriter.Tensor(quantizer.Scale));
            var integers = quantizer.Operator.Integers(weight, scale).to(torch.ScalarType.Int8);
            var scales = scale.reshape(1, -1)
                .expand((inputs + block - 1) / block, layer.Parameter.Shape[1])
                .contiguous();
            var (integersName, scalesName) = (
                rewriter.FreshName($"{layer.Weight}.integers"), rewriter.FreshName($"{layer.Weight}.scales"));
            rewriter.AddParameter(integersName, integers, ParameterRole.Weight, type);
            rewriter.AddParameter(scalesName, scales, ParameterRole.Weight);
            var value = rewriter.FreshName($"{layer.Weight}.value");
            rewriter.AddNode(new GraphNode(
                value,
                Operator.Create(
                    DequantizeLinear.Name, new OperatorAttributes(("axis", 0L), ("block_size", (long)block))),
                [integersName, scalesName], [value]));
            rewriter.AddNode(new GraphNode(
                layer.Name, layer.Node.Operator, [Unrounded(layer.Input), value], layer.Node.Outputs));
        }
    }

    /// <summary>
    /// A product with a quantized matrix [inputs, outputs] of its own whose integers fit into the kernel's.
    /// </summary>
    private static bool IsLinear(Layer layer) =>
        layer is { Operator: MatMul, Parameter: { ElementType: ElementType.Float32, Shape.Length: 2 } weight }
        && weight.Shape[0] >= SmallestBlock
        && layer.WeightQuantizer is { IsWeight: true, Operator: { Axis: null or 1 or -1, Range.IsSigned: true } quantizer }
        && quantizer.Range.IsWithin(new(quantizer.Range.Bits <= 4 ? 4 : 8, true));
}
