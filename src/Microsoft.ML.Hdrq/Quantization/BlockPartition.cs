using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Divides a graph into blocks. Wherever only one value that carries data is still needed, the graph can be cut; values that pass by whole blocks, such as the outputs of stages that a
/// head reads at the end, do not count, see <see cref="Skips"/>. Between two cuts lies either a single layer or a region that an addition or concatenation closes, such as a residual block; what follows
/// without weights (activations, normalizations, pooling, quantizers) belongs to the block before it. A residual region with a product of two activations, attention, is one block with the
/// residual region after it: together they are a transformer's block.
/// </summary>
internal sealed class BlockPartition
{
    private readonly Graph _graph;
    private readonly DataFlow _flow;

    /// <summary>The nodes that compute data which the first output needs, in order. Only that output is reconstructed: another would be needed to the end, and nothing could be cut.</summary>
    private readonly GraphNode[] _steps;

    /// <summary>For each step the data that is needed after it.</summary>
    private readonly HashSet<string>[] _live;

    /// <summary>For each step whether something that is computed without data, such as a weight that two layers share, ties what comes before and after together.</summary>
    private readonly bool[] _isTied;

    private BlockPartition(Graph graph)
    {
        _graph = graph;
        _flow = graph.Flow;
        var needed = new HashSet<string>(StringComparer.Ordinal) { graph.Outputs[0].Name };
        foreach (var node in graph.Nodes.Reverse().Where(node => node.Outputs.Any(needed.Contains)))
            needed.UnionWith(node.Inputs);
        _steps = [.. graph.Nodes.Where(node => node.Outputs.Any(output => needed.Contains(output) && _flow.IsData(output)))];
        _live = Live();
        _isTied = Ties();
    }

    /// <summary>Finds the blocks.</summary>
    /// <param name="graph">A graph with one input.</param>
    /// <param name="quantizersFirst">Whether a block begins with what quantizes its input, instead of ending with what quantizes its output.</param>
    /// <returns>The blocks, in order; together they hold every node that the first output needs, but, with quantizers first, for what follows the last layer's output from a quantizer on.</returns>
    public static ImmutableArray<Block> Find(Graph graph, bool quantizersFirst = false) => new BlockPartition(graph).Blocks(quantizersFirst);

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
            if (nodes.Exists(_flow.IsWeighted))
            {
                if (blocks.Count > 0 && HasAttention(blocks[^1].Nodes) && IsResidual(blocks[^1].Nodes, blocks[^1].Entry) && !HasAttention(nodes) && IsResidual(nodes, entry))
                    blocks[^1] = ([.. blocks[^1].Nodes, .. nodes], blocks[^1].Entry, exit);
                else
                    blocks.Add((nodes, entry, exit));
            }
            else if (blocks.Count > 0 && !(quantizersFirst && nodes.Exists(node => node.Operator is FakeQuantize)))
                blocks[^1] = ([.. blocks[^1].Nodes, .. nodes], blocks[^1].Entry, exit);
            else
                continue;
            (entry, start) = (exit, n + 1);
            PassBy(exit, n + 1);
        }
        return [.. blocks.Select(block => Block.Of(_graph, _flow, block.Nodes.First(_flow.IsWeighted).Name, block.Nodes, block.Entry, block.Exit))];

        void PassBy(string value, int next)
        {
            if (Skips(value, next, skips))
                skips.Add(value);
        }
    }

    /// <summary>
    /// Whether a value passes by whole residual blocks: if the graph without it could be cut before and after one that closes while the value is still needed. So the output of a stage is, that
    /// the next stage and a head read, and the input of a residual block is not.
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

    /// <summary>The only data that is needed after a step, others left aside; null if there is more, or none, or no cut can be made.</summary>
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
        return single;
    }

    private bool HasAttention(List<GraphNode> nodes) => nodes.Exists(_flow.IsActivationProduct);

    private bool IsResidual(List<GraphNode> nodes, string entry) => nodes.Exists(node => IsJoin(node, entry));

    /// <summary>Whether a node adds or concatenates a value and what was made of it.</summary>
    private bool IsJoin(GraphNode node, string value)
    {
        var data = _flow.DataInputs(node).Distinct().Select(Unquantized).ToList();
        return node.Operator.Traits.HasFlag(OperatorTraits.Joins) && data.Count > 1 && data.Contains(Unquantized(value));
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
            foreach (var input in _flow.DataInputs(_steps[n]))
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

    private bool[] Ties()
    {
        // What is computed of weights; a shape or a constant is computed anew wherever it is read.
        var trained = _graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight).Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var node in _graph.Nodes.Where(node => !node.Outputs.Any(_flow.IsData) && node.Inputs.Any(trained.Contains)))
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
