using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// The form of a network that an inference engine scores row by row: one row as input, with names of the caller's choice, scores without a batch dimension,
/// and, for classifiers, the number of the best class, or of the best one in each pixel.
/// </summary>
internal static class ServingForm
{
    /// <summary>Rewrites a network.</summary>
    /// <param name="network">The network, with one input; only its first output is kept. It is not changed.</param>
    /// <param name="input">The new name of the input.</param>
    /// <param name="inputShape">The input's sizes without the batch.</param>
    /// <param name="scores">The name of the scores.</param>
    /// <param name="scoreShape">The scores' sizes without the batch.</param>
    /// <param name="label">The name of the best class, counted from 1, or 0 where all scores are NaN: a vector of one integer. Null for none.</param>
    /// <param name="unknown">Null where images are classified. Where pixels are, <paramref name="label"/> is the number of each pixel's best class, counted from 0, or this one where all its scores are NaN:
    /// bytes with the scores' sizes without the classes.</param>
    /// <param name="softmax">Whether the scores become probabilities over the classes.</param>
    /// <returns>The rewritten network, owned by the caller.</returns>
    public static Network Apply(Network network, string input, ReadOnlySpan<long> inputShape, string scores, ReadOnlySpan<long> scoreShape, string? label, byte? unknown, bool softmax)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var names = new Dictionary<string, string>(StringComparer.Ordinal) { [""] = "", [network.Graph.Inputs[0].Name] = input };
        var reserved = new HashSet<string>(StringComparer.Ordinal) { input, scores, label ?? input };
        builder.Input(input, [1, .. inputShape]);
        foreach (var parameter in network.Graph.Parameters)
            builder.Parameter(Rename(parameter.Name), network.Parameters[parameter.Name].detach().cpu().clone(), parameter.Role, parameter.ElementType);
        foreach (var node in network.Graph.Nodes)
        {
            // Engines refuse two nodes of one name; names of values are unique.
            var inputs = node.Inputs.Select(name => names[name]).ToImmutableArray();
            var outputs = node.Outputs.Select(Rename).ToImmutableArray();
            builder.Node(new GraphNode(outputs.First(name => name.Length > 0), node.Operator, inputs, outputs));
        }

        var value = names[network.Graph.Outputs[0].Name];
        if (softmax)
            value = Node("Softmax", [value], ("axis", 1L));
        builder.Node("Reshape", scores, [value, builder.Constant(Fresh("shape"), scoreShape)]);
        var output = new GraphValue(scores, ElementType.Float32, scoreShape);
        var predicted = label is null ? null : unknown is null ? AddLabel(value, label) : AddMask(value, label, unknown.Value, scoreShape[1..]);
        var serving = predicted is null ? builder.Build(output) : builder.Build(output, predicted);
        serving.Metadata = network.Metadata;
        return serving;

        string Rename(string name)
        {
            if (name.Length == 0)
                return name;
            return names[name] = builder.FreshName(reserved.Contains(name) ? $"{name}.inner" : name);
        }

        string Fresh(string stem) => builder.FreshName($"serving.{stem}");

        string Node(string type, string[] inputs, params ReadOnlySpan<(string, object)> attributes) => builder.Node(type, Fresh(type), inputs, attributes);

        GraphValue AddLabel(string rowScores, string name)
        {
            var (best, hasNumber) = Best(rowScores);
            builder.Node("Mul", name, [Node("Add", [best, builder.Constant(Fresh("one"), 1)]), hasNumber]);
            return new GraphValue(name, ElementType.Int64, [1]);
        }

        GraphValue AddMask(string rowScores, string name, byte none, ReadOnlySpan<long> shape)
        {
            var (best, hasNumber) = Best(rowScores);
            var mask = Node("Where", [Node("Equal", [hasNumber, builder.Constant(Fresh("one"), 1)]), best, builder.Constant(Fresh("none"), none)]);
            builder.Node("Reshape", name, [Node("Cast", [mask], ("to", (long)ElementType.UInt8)), builder.Constant(Fresh("pixels"), shape)]);
            return new GraphValue(name, ElementType.UInt8, shape);
        }

        // NaN counts as less than every number, and where there are no numbers there is no best class.
        (string Best, string HasNumber) Best(string rowScores)
        {
            var isNumber = Node("Equal", [rowScores, rowScores]);
            var lowest = builder.Parameter(Fresh("lowest"), torch.tensor(float.NegativeInfinity), ParameterRole.Constant);
            var best = Node("ArgMax", [Node("Where", [isNumber, rowScores, lowest])], ("axis", 1L), ("keepdims", 0L));
            return (best, Node("ReduceMax", [Node("Cast", [isNumber], ("to", (long)ElementType.Int64)), builder.Constant(Fresh("axes"), 1)], ("keepdims", 0L)));
        }
    }
}
