using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Divides a graph into blocks. Wherever only one value that carries data is still needed, the graph can be cut. Between two cuts lies either a single
/// layer or a region that an addition or concatenation closes, such as a residual block; what follows without weights (activations, pooling, quantizers)
/// belongs to the block before it.
/// </summary>
internal static class BlockPartition
{
    /// <summary>Finds the blocks.</summary>
    /// <param name="graph">A graph with one input.</param>
    /// <param name="quantizersFirst">Whether a block begins with what quantizes its input, instead of ending with what quantizes its output.</param>
    /// <returns>The blocks, in order; together they hold every node that the first output needs, but, with quantizers first, for what follows the last layer's output from a quantizer on.</returns>
    public static ImmutableArray<Block> Find(Graph graph, bool quantizersFirst = false)
    {
        var flow = new DataFlow(graph);
        var lastReader = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var n = 0; n < graph.Nodes.Length; n++)
        {
            foreach (var input in graph.Nodes[n].Inputs)
                lastReader[input] = n;
        }
        // Only the first output is reconstructed: another would be needed to the end, and nothing could be cut.
        lastReader[graph.Outputs[0].Name] = int.MaxValue;

        var blocks = ImmutableArray.CreateBuilder<Block>();
        var live = new HashSet<string>(StringComparer.Ordinal) { graph.Inputs[0].Name };
        var (entry, start, hasWeights) = (graph.Inputs[0].Name, 0, false);
        for (var n = 0; n < graph.Nodes.Length; n++)
        {
            var node = graph.Nodes[n];
            hasWeights |= flow.IsWeighted(node);
            foreach (var output in node.Outputs)
            {
                if (flow.IsData(output) && lastReader.ContainsKey(output))
                    live.Add(output);
            }
            live.RemoveWhere(value => lastReader[value] <= n);
            if (live.Count != 1 || live.Single() == entry || !IsCut(n))
                continue;

            var nodes = graph.Nodes[start..(n + 1)];
            var exit = live.Single();
            if (hasWeights)
                blocks.Add(new Block(nodes.First(flow.IsWeighted).Name, nodes, entry, exit));
            else if (blocks.Count > 0 && !(quantizersFirst && nodes.Any(part => part.Operator is FakeQuantize && flow.IsData(part.Inputs[0]))))
                blocks[^1] = blocks[^1] with { Nodes = blocks[^1].Nodes.AddRange(nodes), Output = exit };
            else
                continue;
            (entry, start, hasWeights) = (exit, n + 1, false);
        }
        return blocks.ToImmutable();

        // A shape that is computed on this side and used on the other would tie the two together.
        bool IsCut(int position) => !graph.Nodes.Take(position + 1).Skip(start).SelectMany(node => node.Outputs)
            .Any(output => output.Length > 0 && !flow.IsData(output) && lastReader.GetValueOrDefault(output, -1) is var reader && reader > position && reader != int.MaxValue);
    }
}
