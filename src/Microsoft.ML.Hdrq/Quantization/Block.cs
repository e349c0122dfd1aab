using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// A part of a graph with one output value, which is reconstructed as a whole. It usually has one input value, and
/// several where branches of the network meet.
/// </summary>
/// <param name="Name">The name of its first weighted layer.</param>
/// <param name="Nodes">
/// Its nodes, in order. Nodes that compute weights and shapes for a node belong to its block, and may belong to several
/// blocks.
/// </param>
/// <param name="Inputs">The input values, first the value that the block begins with.</param>
/// <param name="Output">The output value.</param>
internal sealed record Block(string Name, ImmutableArray<GraphNode> Nodes, ImmutableArray<string> Inputs, string Output)
{
    /// <summary>Makes a block of nodes that compute data, adding all nodes that they need besides data.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="flow">The data flow of the graph.</param>
    /// <param name="name">The name.</param>
    /// <param name="nodes">The nodes.</param>
    /// <param name="first">The value that the block begins with; null for any.</param>
    /// <param name="output">The output value.</param>
    public static Block Of(
        Graph graph, DataFlow flow, string name, IEnumerable<GraphNode> nodes, string? first, string output)
    {
        var inside = nodes.ToHashSet();
        var open = new Stack<string>(inside.SelectMany(node => node.Inputs).Where(input => !flow.IsData(input)));
        while (open.TryPop(out var next))
        {
            if (flow.Definer(next) is not { } definer || !inside.Add(definer))
                continue;
            foreach (var input in definer.Inputs.Where(input => !flow.IsData(input)))
                open.Push(input);
        }
        var ordered = graph.Nodes.Where(inside.Contains).ToImmutableArray();
        var defined = ordered.SelectMany(node => node.Outputs).ToHashSet(StringComparer.Ordinal);
        // This includes inputs whose shape alone is read.
        var inputs = ordered
            .SelectMany(node => node.Inputs)
            .Where(input => flow.IsData(input) && !defined.Contains(input))
            .Distinct();
        return new Block(name, ordered, [.. inputs.OrderBy(input => input == first ? 0 : 1)], output);
    }

    /// <summary>Whether only the shape of an input is read.</summary>
    public bool ReadsOnlyShape(string input) => Nodes.All(node =>
        node.Operator.Traits.HasFlag(OperatorTraits.ReadsShape) || !node.Inputs.Contains(input));
}
