using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Ranges of quantizers with zero points of their own. What such a quantizer represents goes from <c>s a</c> to <c>s (a + n)</c>. The weighted means of both ends are
/// <c>s_m = sum lambda_d s_d</c> apart, times n, as all merged scales are, and begin at <c>s_m a_m</c> with <c>a_m = sum lambda_d s_d a_d / s_m</c>, which is rounded.
/// </summary>
internal static class MergedRanges
{
    /// <summary>A graph with the ranges of another one, at quantizers with one scale and as many integers.</summary>
    public static Graph Align(Graph graph, Graph like)
    {
        if (ReferenceEquals(graph, like) || graph.Nodes.Length != like.Nodes.Length)
            return graph;
        return With(graph, (node, n) => node.Operator is FakeQuantize { Axis: null } own && like.Nodes[n].Operator is FakeQuantize { Axis: null } other
            && own.Range.Maximum - own.Range.Minimum == other.Range.Maximum - other.Range.Minimum && HasScale(graph, node) ? other.Range : null);
    }

    /// <summary>The graph of the merged network.</summary>
    /// <param name="sources">The networks, of graphs that are equal once they are aligned.</param>
    public static Graph Merge(IReadOnlyList<MergeSource> sources)
    {
        return With(sources[0].Graph, (node, n) => node.Operator is FakeQuantize first && sources.Any(source => RangeOf(source, n) != first.Range) ? Mean(node.Inputs[1], n) : null);

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

    private static QuantizationRange RangeOf(MergeSource source, int node) => ((FakeQuantize)source.Graph.Nodes[node].Operator).Range;

    /// <summary>Whether a quantizer's scale is a parameter that has a mean.</summary>
    private static bool HasScale(Graph graph, GraphNode quantizer) => graph.Parameters.Any(parameter => parameter.Name == quantizer.Inputs[1] && !MergeSource.IsConstant(parameter));

    private static Graph With(Graph graph, Func<GraphNode, int, QuantizationRange?> range)
    {
        var nodes = graph.Nodes
            .Select((node, n) => range(node, n) is { } other ? new GraphNode(node.Name, Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(other)), node.Inputs, node.Outputs) : node)
            .ToImmutableArray();
        return nodes.SequenceEqual(graph.Nodes) ? graph : new Graph(graph.Inputs, graph.Parameters, nodes, graph.Outputs);
    }
}
