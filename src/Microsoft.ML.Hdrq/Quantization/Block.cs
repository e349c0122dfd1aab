using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A part of a graph with one value coming out, which is reconstructed as a whole. As a rule one value goes in; where several branches of the network meet, there are several.</summary>
/// <param name="Name">The name of its first weighted layer.</param>
/// <param name="Nodes">Its nodes, in order. What computes weights and shapes for a node belongs to its block; the latter possibly to several.</param>
/// <param name="Inputs">The values that go in: first the one that it begins with.</param>
/// <param name="Output">The value that comes out.</param>
internal sealed record Block(string Name, ImmutableArray<GraphNode> Nodes, ImmutableArray<string> Inputs, string Output)
{
    /// <summary>Makes a block of nodes that compute data, with all that they need beside data.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="flow">Its data.</param>
    /// <param name="name">The name.</param>
    /// <param name="nodes">The nodes.</param>
    /// <param name="first">The value that it begins with; null for any.</param>
    /// <param name="output">The value that comes out.</param>
    public static Block Of(Graph graph, DataFlow flow, string name, IEnumerable<GraphNode> nodes, string? first, string output)
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
        // Also that of which only the shape is read.
        var inputs = ordered.SelectMany(node => node.Inputs).Where(input => flow.IsData(input) && !defined.Contains(input)).Distinct();
        return new Block(name, ordered, [.. inputs.OrderBy(input => input == first ? 0 : 1)], output);
    }

    /// <summary>Whether only the shape of an input is read.</summary>
    public bool ReadsOnlyShape(string input) => Nodes.All(node => node.Operator.Traits.HasFlag(OperatorTraits.ReadsShape) || !node.Inputs.Contains(input));
}
