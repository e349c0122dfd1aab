using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Divides a graph into blocks. The graph can be cut where only one data value is still needed. Values that bypass
/// whole blocks, such as the outputs of stages that a head reads at the end, do not count, see <see cref="Skips"/>.
/// Between two cuts lies either a single layer or a region closed by an addition or concatenation, such as a residual
/// block. Nodes without weights that follow (activations, normalizations, pooling, quantizers) belong to the block
/// before them. A residual region with a product of two activations (attention) forms one block with the residual
/// region after it: together they are a transformer block.
/// </summary>
internal sealed class BlockPartition
{
    private readonly Graph _graph;
    private readonly DataFlow _flow;

    /// <summary>The values that have a row for each image; null if all have.</summary>
    private readonly RowValues? _rows;

    /// <summary>
    /// The nodes that compute data needed by the first output, in order. Only the first output is reconstructed: any
    /// other output would be needed up to the end, so that nothing could be cut.
    /// </summary>
    private readonly GraphNode[] _steps;

    /// <summary>For each step, the data that is needed after it.</summary>
    private readonly HashSet<string>[] _live;

    /// <summary>
    /// For each step, whether something computed without data, such as a weight that two layers share, ties the nodes
    /// before and after it together.
    /// </summary>
    private readonly bool[] _isTied;

    private BlockPartition(Graph graph, RowValues? rows)
    {
        _graph = graph;
        _rows = rows;
        _flow = graph.Flow;
        var output = graph.Outputs[0].Name;
        var nodes = NeededNodes.Backwards(graph.Nodes, [output]).Reverse().ToList();
        var needed = nodes.SelectMany(node => node.Inputs).Append(output).ToHashSet(StringComparer.Ordinal);
        _steps = [.. nodes.Where(node => node.Outputs.Any(value => needed.Contains(value) && _flow.IsData(value)))];
        _live = Live();
        _isTied = Ties();
    }

    /// <summary>Finds the blocks.</summary>
    /// <param name="graph">A graph with one input.</param>
    /// <param name="quantizersFirst">
    /// Whether a block begins with the quantizers of its input, instead of ending with the quantizers of its output.
    /// </param>
    /// <param name="rows">
    /// The values that have a row for each image: blocks are cut only there. Null if all have.
    /// </param>
    /// <returns>
    /// The blocks, in order. Together they hold every node that the first output needs. With <paramref
    /// name="quantizersFirst"/>, the nodes after the last layer are left out from the first quantizer on.
    /// </returns>
    public static ImmutableArray<Block> Find(Graph graph, bool quantizersFirst = false, RowValues? rows = null) =>
        new BlockPartition(graph, rows).Blocks(quantizersFirst);

    private ImmutableArray<Block> Blocks(bool quantizersFirst)
    {
        var blocks = new List<(List<GraphNode> Nodes, string Entry, string Exit)>();
        var skips = new HashSet<string>(StringComparer.Ordinal);
        var (entry, start) = (_graph.Inputs[0].Name, 0);
        PassBy(entry, 0);
        for (var n = 0; n < _steps.Length; n++)
        {
            if (Single(n, skips) is not { } exit || exit == entry)
                continue;
            var nodes = _steps[start..(n + 1)].ToList();
            // A value that later blocks read stays the output of its block.
            var canJoin = blocks.Count > 0 && !skips.Contains(entry);
            if (nodes.Exists(_flow.IsWeighted))
            {
                if (canJoin
                    && HasAttention(blocks[^1].Nodes)
                    && IsResidual(blocks[^1].Nodes, blocks[^1].Entry)
                    && !HasAttention(nodes)
                    && IsResidual(nodes, entry))
                {
                    blocks[^1] = ([.. blocks[^1].Nodes, .. nodes], blocks[^1].Entry, exit);
                }
                else
                {
                    blocks.Add((nodes, entry, exit));
                }
            }
            else if (canJoin && !(quantizersFirst && nodes.Exists(node => node.Operator is FakeQuantize)))
                blocks[^1] = ([.. blocks[^1].Nodes, .. nodes], blocks[^1].Entry, exit);
            else
                continue;
            (entry, start) = (exit, n + 1);
            PassBy(exit, n + 1);
        }
        return
        [
            .. blocks.Select(block => Block.Of(
                _graph, _flow, block.Nodes.First(_flow.IsWeighted).Name, block.Nodes, block.Entry, block.Exit)),
        ];

        void PassBy(string value, int next)
        {
            if (Skips(value, next, skips))
                skips.Add(value);
        }
    }

    /// <summary>
    /// Whether a value bypasses whole residual blocks: whether the graph without it could be cut before and after a
    /// closing join while the value is still needed. This holds for the output of a stage that both the next stage and
    /// a head read, and not for the input of a residual block.
    /// </summary>
    private bool Skips(string value, int next, HashSet<string> skips)
    {
        var without = new HashSet<string>(skips, StringComparer.Ordinal) { value };
        var (from, start) = ((string?)null, next);
        for (var n = next; n < _steps.Length && _live[n].Contains(value); n++)
        {
            if (Single(n, without) is not { } exit)
                continue;
            if (from is not null && IsJoin(_steps[n], from) && _steps[start..n].Any(_flow.IsWeighted))
                return true;
            (from, start) = (exit, n + 1);
        }
        return false;
    }

    /// <summary>
    /// Gets the only data value that is needed after a step, ignoring the given others; null if there are several or
    /// none, or if no cut is possible: because a weight ties both sides together, or because the value does not have a
    /// row for each image.
    /// </summary>
    private string? Single(int step, HashSet<string> others)
    {
        if (_isTied[step])
            return null;
        string? single = null;
        foreach (var value in _live[step])
        {
            if (others.Contains(value))
                continue;
            if (single is not null)
                return null;
            single = value;
        }
        return single is null || _rows?.Has(single) == false ? null : single;
    }

    private bool HasAttention(List<GraphNode> nodes) => nodes.Exists(_flow.IsActivationProduct);

    private bool IsResidual(List<GraphNode> nodes, string entry) => nodes.Exists(node => IsJoin(node, entry));

    /// <summary>Whether a node adds or concatenates a value and something computed from it.</summary>
    private bool IsJoin(GraphNode node, string value)
    {
        var data = _flow.DataInputs(node).Distinct().Select(Unquantized).ToList();
        return node.Operator.Traits.HasFlag(OperatorTraits.Joins)
            && data.Count > 1
            && data.Contains(Unquantized(value));
    }

    private string Unquantized(string value)
    {
        while (_flow.Definer(value) is { Operator: FakeQuantize } quantizer)
            value = quantizer.Inputs[0];
        return value;
    }

    private HashSet<string>[] Live()
    {
        var lastReader = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var n = 0; n < _steps.Length; n++)
        {
            foreach (var input in _flow.DataInputs(_steps[n]).Concat(ShapesOfOthers(_steps[n])))
                lastReader[input] = n;
        }
        lastReader[_graph.Outputs[0].Name] = int.MaxValue;
        var live = new HashSet<string>[_steps.Length];
        var now = new HashSet<string>(StringComparer.Ordinal) { _graph.Inputs[0].Name };
        for (var n = 0; n < _steps.Length; n++)
        {
            now.UnionWith(_steps[n].Outputs.Where(lastReader.ContainsKey));
            now.RemoveWhere(value => lastReader.GetValueOrDefault(value, -1) <= n);
            live[n] = new HashSet<string>(now, StringComparer.Ordinal);
        }
        return live;
    }

    /// <summary>
    /// The data whose shape a node reads, directly or computed, and that does not have a row for each image: such a
    /// shape is known only where the value is.
    /// </summary>
    private IEnumerable<string> ShapesOfOthers(GraphNode node)
    {
        if (_rows is null)
            yield break;
        var open = new Stack<string>(node.Inputs.Where(input => !_flow.IsData(input)));
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (open.TryPop(out var value))
        {
            if (!seen.Add(value) || _flow.Definer(value) is not { } definer)
                continue;
            foreach (var input in definer.Inputs)
            {
                if (!_flow.IsData(input))
                    open.Push(input);
                else if (!_rows.Has(input))
                    yield return input;
            }
        }
    }

    private bool[] Ties()
    {
        // Values computed from weights; a shape or a constant is recomputed for each reader.
        var trained = _graph.Parameters
            .Where(parameter => parameter.Role == ParameterRole.Weight)
            .Select(parameter => parameter.Name)
            .ToHashSet(StringComparer.Ordinal);
        var weightNodes = _graph.Nodes.Where(node =>
            !node.Outputs.Any(_flow.IsData) && node.Inputs.Any(trained.Contains));
        foreach (var node in weightNodes)
            trained.UnionWith(node.Outputs);
        var isTied = new bool[_steps.Length];
        var firstReader = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var n = 0; n < _steps.Length; n++)
        {
            var open = new Stack<string>(_steps[n].Inputs.Where(input => !_flow.IsData(input)));
            var seen = new HashSet<string>(StringComparer.Ordinal);
            while (open.TryPop(out var value))
            {
                if (!seen.Add(value) || _flow.Definer(value) is not { } definer || !trained.Contains(value))
                    continue;
                if (!firstReader.TryAdd(value, n))
                    Array.Fill(isTied, true, firstReader[value], n - firstReader[value]);
                foreach (var input in definer.Inputs)
                    open.Push(input);
            }
        }
        return isTied;
    }
}
