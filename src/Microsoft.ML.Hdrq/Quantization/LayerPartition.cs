using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Divides a block into its weighted layers. A layer includes the quantizers of its input, unless an earlier layer
/// already includes them, and the nodes that it alone feeds: activations, up to the next quantizer, layer or addition.
/// </summary>
internal static class LayerPartition
{
    /// <summary>
    /// Finds the layers of a block that begins with its quantizers, see <see cref="BlockPartition.Find"/>.
    /// </summary>
    /// <param name="graph">The whole graph.</param>
    /// <param name="block">The block.</param>
    /// <param name="rows">The values that have a row for each image; null if all have.</param>
    /// <returns>
    /// The layers, in order; the block itself if the input or output of one of them does not have a row for each image.
    /// </returns>
    public static IEnumerable<Block> Find(Graph graph, Block block, RowValues? rows = null)
    {
        var layers = Layers(graph, block, rows).ToList();
        return rows is null || layers.TrueForAll(layer => layer.Inputs.Append(layer.Output).All(rows.Has))
            ? layers
            : [block];
    }

    private static IEnumerable<Block> Layers(Graph graph, Block block, RowValues? rows)
    {
        var flow = graph.Flow;
        var inside = block.Nodes.ToHashSet();
        var taken = new HashSet<GraphNode>();
        foreach (var layer in block.Nodes.Where(flow.IsWeighted))
        {
            var nodes = new HashSet<GraphNode> { layer };
            var input = layer.Inputs[0];
            while (flow.Definer(input) is { Operator: FakeQuantize } quantizer
                && inside.Contains(quantizer)
                && taken.Add(quantizer))
            {
                nodes.Add(quantizer);
                input = quantizer.Inputs[0];
            }
            var output = layer.Outputs[0];
            while (flow.Readers(output).ToList() is [var reader]
                && inside.Contains(reader)
                && !flow.IsWeighted(reader)
                && reader.Operator is not FakeQuantize
                && flow.DataInputs(reader).Distinct().Count() == 1
                && reader.Outputs.Length == 1
                && rows?.Has(reader.Outputs[0]) != false
                && output != block.Output)
            {
                nodes.Add(reader);
                output = reader.Outputs[0];
            }
            yield return Block.Of(graph, flow, layer.Name, nodes, input, output);
        }
    }

    /// <summary>Finds the part of a block that computes one of its values.</summary>
    public static Block UpTo(Graph graph, Block block, string value)
    {
        var flow = graph.Flow;
        var inside = block.Nodes.ToHashSet();
        var nodes = new HashSet<GraphNode>();
        var open = new Stack<string>([value]);
        while (open.TryPop(out var next))
        {
            if (block.Inputs.Contains(next)
                || flow.Definer(next) is not { } definer
                || !inside.Contains(definer)
                || !nodes.Add(definer))
            {
                continue;
            }
            foreach (var input in flow.DataInputs(definer))
                open.Push(input);
        }
        return Block.Of(graph, flow, block.Name, nodes, block.Inputs[0], value);
    }
}
