using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges the ranges of quantizers that have their own zero points. Such a quantizer represents values from <c>s a</c>
/// to <c>s (a + n)</c>. The distance between the weighted means of both ends is <c>n s_m</c> with
/// <c>s_m = sum lambda_d s_d</c>, the merged scale as usual; the lower end is <c>s_m a_m</c> with
/// <c>a_m = sum lambda_d s_d a_d / s_m</c>, which is rounded.
/// </summary>
internal static class MergedRanges
{
    /// <summary>
    /// Gives a graph the ranges of another one, at quantizers with one scale and equally many integers.
    /// </summary>
    public static Graph Align(Graph graph, Graph like)
    {
        if (ReferenceEquals(graph, like) || graph.Nodes.Length != like.Nodes.Length)
            return graph;
        return With(graph, (node, n) => node.Operator is FakeQuantize { Axis: null } own
            && like.Nodes[n].Operator is FakeQuantize { Axis: null } other
            && own.Range.Maximum - own.Range.Minimum == other.Range.Maximum - other.Range.Minimum
            && HasScale(graph, node)
                ? other.Range
                : null);
    }

    /// <summary>Makes the graph of the merged network.</summary>
    /// <param name="sources">The networks, whose graphs are equal once they are aligned.</param>
    public static Graph Merge(IReadOnlyList<MergeSource> sources)
    {
        return With(sources[0].Graph, (node, n) => node.Operator is FakeQuantize first
            && sources.Any(source => RangeOf(source, n) != first.Range)
                ? Mean(node.Inputs[1], n)
                : null);

        QuantizationRange Mean(string scale, int n)
        {
            var (sum, scales) = (0.0, 0.0);
            foreach (var source in sources)
            {
                var weight = source.Lambda * source.Values(scale)[0];
                sum += weight * RangeOf(source, n).Minimum;
                scales += weight;
            }
            var first = RangeOf(sources[0], n);
            var minimum = (int)Math.Round(sum / scales);
            return QuantizationRange.Between(minimum, minimum + first.Maximum - first.Minimum);
        }
    }

    private static QuantizationRange RangeOf(MergeSource source, int node) =>
        ((FakeQuantize)source.Graph.Nodes[node].Operator).Range;

    /// <summary>Whether a quantizer's scale is a parameter that can be averaged.</summary>
    private static bool HasScale(Graph graph, GraphNode quantizer) => graph.Parameters.Any(parameter =>
        parameter.Name == quantizer.Inputs[1] && !MergeSource.IsConstant(parameter));

    private static Graph With(Graph graph, Func<GraphNode, int, QuantizationRange?> range)
    {
        var nodes = graph.Nodes
                .Select((node, n) => range(node, n) is { } other ? WithRange(node, other) : node)
            .ToImmutableArray();
        return nodes.SequenceEqual(graph.Nodes)
            ? graph
            : new Graph(graph.Inputs, graph.Parameters, nodes, graph.Outputs);

        static GraphNode WithRange(GraphNode node, QuantizationRange other)
        {
            var quantizer = Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(other));
            return new GraphNode(node.Name, quantizer, node.Inputs, node.Outputs);
        }
    }
}
