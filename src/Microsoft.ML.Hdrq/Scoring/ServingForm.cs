using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Rewrites a network for an inference engine that scores row by row: with one row as input, names of the caller's
/// choice, scores without a batch dimension and, for classifiers, the best class of the image or of each pixel.
/// </summary>
internal static class ServingForm
{
    /// <summary>Rewrites a network.</summary>
    /// <param name="network">The network, with one input; only its first output is kept. It is not changed.</param>
    /// <param name="input">The new name of the input.</param>
    /// <param name="inputShape">The shape of the input without the batch.</param>
    /// <param name="scores">The name of the scores.</param>
    /// <param name="scoreShape">The shape of the scores without the batch.</param>
    /// <param name="label">
    /// The name of the output with the best class: a vector of one integer, the one-based class, or 0 if all scores are
    /// NaN. Null for no such output.
    /// </param>
    /// <param name="unknown">
    /// Null if the network classifies images. If it classifies pixels, <paramref name="label"/> holds the zero-based
    /// best class of each pixel, or this value if all scores of the pixel are NaN: bytes with the shape of the scores
    /// without the classes.
    /// </param>
    /// <param name="softmax">Whether the scores become probabilities over the classes.</param>
    /// <returns>The rewritten network, owned by the caller.</returns>
    public static Network Apply(
        Network network, string input, ReadOnlySpan<long> inputShape, string scores, ReadOnlySpan<long> scoreShape,
        string? label, byte? unknown, bool softmax)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var names = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [""] = "",
            [network.Graph.Inputs[0].Name] = input,
        };
        var reserved = new HashSet<string>(StringComparer.Ordinal) { input, scores, label ?? input };
        builder.Input(input, [1, .. inputShape]);
        var apart = AddedAfterwards(network, inputShape);
        var ranks = apart.Values.ToDictionary(added => added.Bias, added => added.Rank, StringComparer.Ordinal);
        foreach (var parameter in network.Graph.Parameters)
        {
            var tensor = network.Parameters[parameter.Name].detach().cpu().clone();
            if (ranks.TryGetValue(parameter.Name, out var rank))
                tensor = tensor.reshape([.. Enumerable.Repeat(1L, Math.Max(rank, 3) - 1), -1]);
            builder.Parameter(Rename(parameter.Name), tensor, parameter.Role, parameter.ElementType);
        }
        foreach (var node in network.Graph.Nodes)
        {
            // Engines reject two nodes with the same name; names of values are unique.
            var inputs = node.Inputs.Select(name => names[name]).ToImmutableArray();
            var isMatrix = apart.TryGetValue(node, out var added) && added.Rank == 2;
            ImmutableArray<string> outputs = isMatrix ? [Fresh("sum")] : [.. node.Outputs.Select(Rename)];
            builder.Node(new GraphNode(outputs.First(name => name.Length > 0), node.Operator, inputs, outputs));
            if (isMatrix)
                builder.Node("Squeeze", Rename(node.Outputs[0]), [outputs[0], builder.Constant(Fresh("first"), 0)]);
        }

        var value = names[network.Graph.Outputs[0].Name];
        if (softmax)
            value = Node("Softmax", [value], ("axis", 1L));
        builder.Node("Reshape", scores, [value, builder.Constant(Fresh("shape"), scoreShape)]);
        var output = new GraphValue(scores, ElementType.Float32, scoreShape);
        var predicted = label is null ? null
            : unknown is null ? AddLabel(value, label)
            : AddMask(value, label, unknown.Value, scoreShape[1..]);
        var serving = predicted is null ? builder.Build(output) : builder.Build(output, predicted);
        (serving.Metadata, serving.MaxValueSize) = (network.Metadata, network.MaxValueSize);
        return serving;

        string Rename(string name)
        {
            if (name.Length == 0)
                return name;
            return names[name] = builder.FreshName(reserved.Contains(name) ? $"{name}.inner" : name);
        }

        string Fresh(string stem) => builder.FreshName($"serving.{stem}");

        string Node(string type, string[] inputs, params ReadOnlySpan<(string, object)> attributes) =>
            builder.Node(type, Fresh(type), inputs, attributes);

        GraphValue AddLabel(string rowScores, string name)
        {
            var (best, hasNumber) = Best(rowScores);
            builder.Node("Mul", name, [Node("Add", [best, builder.Constant(Fresh("one"), 1)]), hasNumber]);
            return new GraphValue(name, ElementType.Int64, [1]);
        }

        GraphValue AddMask(string rowScores, string name, byte none, ReadOnlySpan<long> shape)
        {
            var (best, hasNumber) = Best(rowScores);
            var isKnown = Node("Equal", [hasNumber, builder.Constant(Fresh("one"), 1)]);
            var mask = Node("Where", [isKnown, best, builder.Constant(Fresh("none"), none)]);
            var bytes = Node("Cast", [mask], ("to", (long)ElementType.UInt8));
            builder.Node("Reshape", name, [bytes, builder.Constant(Fresh("pixels"), shape)]);
            return new GraphValue(name, ElementType.UInt8, shape);
        }

        // NaN counts as less than every other value; if all scores are NaN, there is no best class.
        (string Best, string HasNumber) Best(string rowScores)
        {
            var isNumber = Node("Equal", [rowScores, rowScores]);
            var lowest = builder.Parameter(
                Fresh("lowest"), torch.tensor(float.NegativeInfinity), ParameterRole.Constant);
            var best = Node("ArgMax", [Node("Where", [isNumber, rowScores, lowest])], ("axis", 1L), ("keepdims", 0L));
            var integers = Node("Cast", [isNumber], ("to", (long)ElementType.Int64));
            var axes = builder.Constant(Fresh("axes"), 1);
            return (best, Node("ReduceMax", [integers, axes], ("keepdims", 0L)));
        }
    }

    /// <summary>
    /// The nodes that add a bias to the product of data and a quantized matrix. ONNX Runtime makes one layer of both
    /// where it knows all sizes, as it does here, and then rounds the bias to steps of the product of the scales, which
    /// the network does not. It does not do so with a bias of three axes.
    /// </summary>
    /// <returns>For each node the name of the bias and the number of axes of the product.</returns>
    private static Dictionary<GraphNode, (string Bias, int Rank)> AddedAfterwards(
        Network network, ReadOnlySpan<long> inputShape)
    {
        var (graph, sums) = (network.Graph, new Dictionary<string, (GraphNode Node, string Bias)>(StringComparer.Ordinal));
        var lists = graph.Parameters
            .Where(parameter => parameter is { Role: ParameterRole.Weight, Shape.Length: 1 }
                && graph.Flow.Readers(parameter.Name).Count() == 1)
            .Select(parameter => parameter.Name)
            .ToHashSet(StringComparer.Ordinal);
        var products = graph.Layers.All.Where(
            layer => layer is { Operator: MatMul, WeightQuantizer: not null, InputQuantizer: not null });
        foreach (var layer in products)
        {
            foreach (var node in graph.Flow.Readers(layer.Output)
                .Where(node => node.Operator.Traits.HasFlag(OperatorTraits.Adds)))
            {
                if (node.Inputs.FirstOrDefault(lists.Contains) is { } bias)
                    sums[layer.Output] = (node, bias);
            }
        }
        var found = new Dictionary<GraphNode, (string Bias, int Rank)>();
        if (sums.Count == 0)
            return found;
        using var image = torch.zeros([1, .. inputShape], device: network.Device);
        network.Run([image], new ComputeContext(ForwardMode.Inference, network.Device)
        {
            Watch = (name, value) =>
            {
                if (sums.TryGetValue(name, out var sum))
                    found[sum.Node] = (sum.Bias, (int)value.dim());
            },
        });
        return found;
    }
}
