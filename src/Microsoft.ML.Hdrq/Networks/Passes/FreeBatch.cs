using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Lets a network that was exported for a fixed number of rows take any number. Constants that mean the batch, such as
/// the first size of a new shape, are replaced by what means the batch whatever it is. The network is computed on the
/// number of rows that it was made for, and on a multiple, node by node: this shows where in each value the batch is,
/// and in the end whether every row has the score that it had.
/// </summary>
internal sealed class FreeBatch
{
    private const long MaxInputElements = 1L << 23;

    private readonly Network _network;
    private readonly GraphRewriter _rewriter;
    private readonly ComputeContext _context;
    private readonly torch.Tensor?[] _few;
    private readonly torch.Tensor?[] _many;

    /// <summary>
    /// For each value, the dimension in which the batch is the outermost factor; null if it has none.
    /// </summary>
    private readonly int?[] _axes;

    /// <summary>Values into which rows were mixed: they are not the same for other rows, but have no batch.</summary>
    private readonly bool[] _mixed;

    private readonly long _batch;

    /// <summary>How many times more rows are tried: at least three, which have different ranges.</summary>
    private readonly int _factor;

    private FreeBatch(Network network, long batch)
    {
        _network = network;
        (_batch, _factor) = (batch, batch == 1 ? 3 : 2);
        _rewriter = new GraphRewriter(network);
        _context = new ComputeContext(ForwardMode.Inference, network.Device);
        _context.Limit(network.MaxValueSize);
        var slots = network.Graph.Plan.SlotCount;
        (_few, _many, _axes) = (new torch.Tensor?[slots], new torch.Tensor?[slots], new int?[slots]);
        _mixed = new bool[slots];
    }

    /// <summary>Frees the batch of a network.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>
    /// A network for any number of rows, owned by the caller; null if the network takes any number already, or cannot
    /// be freed.
    /// </returns>
    public static Network? Apply(Network network)
    {
        if (network.Graph.Inputs is not [{ ElementType: ElementType.Float32, Shape.Length: > 1 } input]
            || NetworkBatches.FixedSize(network.Graph) is not { } batch)
        {
            return null;
        }
        using var noGradients = torch.no_grad();
        foreach (var shape in TrialShapes.Of(input, batch, MaxInputElements))
        {
            using var scope = torch.NewDisposeScope();
            try
            {
                return new FreeBatch(network, batch).Rewrite(shape);
            }
            catch (Exception exception) when (TrialShapes.AreWrong(exception))
            {
                // The graph needs its number of rows, or the next sizes do.
            }
        }
        return null;
    }

    private Network Rewrite(long[] shape)
    {
        var plan = _network.Graph.Plan;
        using var generator = new torch.Generator(0);
        var rows = Rows([shape[0] * _factor, .. shape[1..]], generator).to(_network.Device);
        (_few[0], _many[0], _axes[0]) = (rows.narrow(0, 0, _batch), rows, 0);
        for (var p = 0; p < _network.Graph.Parameters.Length; p++)
        {
            var parameter = _network.Parameters[_network.Graph.Parameters[p].Name].detach();
            (_few[plan.FirstParameter + p], _many[plan.FirstParameter + p]) = (parameter, parameter);
        }
        for (var n = 0; n < _network.Graph.Nodes.Length; n++)
        {
            var node = _network.Graph.Nodes[n];
            var few = Network.Compute(node, Values(_few, plan.Inputs[n]), _context);
            var nodes = Rewritten(node, plan.Inputs[n], few[0].shape);
            nodes.ForEach(_rewriter.AddNode);
            if (nodes is not [var same] || same != node)
                few = Compute(nodes, node, plan.Inputs[n], _few);
            var many = Compute(nodes, node, plan.Inputs[n], _many);
            for (var i = 0; i < node.Outputs.Length; i++)
            {
                if (plan.Outputs[n][i] is not (>= 0 and var slot))
                    continue;
                (_few[slot], _many[slot]) = (few[i], many[i]);
                _axes[slot] = Axis(node, few[i].shape, many[i].shape);
                _mixed[slot] = !node.Operator.Traits.HasFlag(OperatorTraits.ReadsShape) && plan.Inputs[n].Any(input =>
                    input >= 0 && (_mixed[input] || _axes[input] is not null && _axes[slot] is null));
            }
            foreach (var slot in plan.Dying[n])
            {
                _few[slot]?.Dispose();
                _many[slot]?.Dispose();
            }
        }
        Check(rows);
        using var built = _rewriter.Build();
        return WithFreeShapes(built);
    }

    /// <summary>
    /// Random rows of different ranges, as images may have: what is done with values above 1, or below 0, is done.
    /// </summary>
    private static torch.Tensor Rows(long[] shape, torch.Generator generator)
    {
        long[] each = [shape[0], .. Enumerable.Repeat(1L, shape.Length - 1)];
        float[] ranges = [1, 255, 6], minima = [0, 0, -3];
        return torch.rand(shape, generator: generator)
            .mul(torch.tensor(Each(ranges), each))
            .add(torch.tensor(Each(minima), each), Scalars.One);

        float[] Each(float[] values) =>
            [.. Enumerable.Range(0, (int)shape[0]).Select(row => values[row % values.Length])];
    }

    /// <summary>
    /// Whether every row of the first output is what the network gives for it, whatever the rows beside it.
    /// </summary>
    private void Check(torch.Tensor rows)
    {
        var output = _network.Graph.Plan.GraphOutputs[0];
        if (_axes[output] is not { } axis)
            throw new NotSupportedException("The first output does not depend on the number of rows.");
        if (_mixed[output])
            throw new NotSupportedException("A row's scores depend on the rows beside it.");
        foreach (var slot in _network.Graph.Plan.GraphOutputs)
        {
            // Otherwise the scores of all rows would stand one after the other, as those of one row did.
            if (_axes[slot] is { } dimension && (dimension != 0 || _few[slot]!.shape[0] != _batch))
                throw new NotSupportedException("An output has no dimension of its own for rows.");
        }
        var many = PerRow(_many[output]!, _batch * _factor);
        // Neighbours, and rows that lie apart, so that each row has other rows beside it.
        (long First, long Step)[] groups = _batch == 1 ? [(0, 1), (1, 1), (2, 1)] : [(_batch, 1), (0, _factor)];
        foreach (var (first, step) in groups)
        {
            var indices = HostValues.Tensor(
                [.. Enumerable.Range(0, (int)_batch).Select(row => first + row * step)]).to(rows.device);
            // Where dimensions of one are removed, the batch may have been among them.
            var expected = _network.Run([rows.index_select(0, indices)], _context)[0].reshape(_few[output]!.shape);
            AssertSame(PerRow(expected, _batch), many.index_select(0, indices));
        }

        torch.Tensor PerRow(torch.Tensor scores, long count) =>
            scores.to(torch.ScalarType.Float32).movedim([axis], [0]).reshape(count, -1);

        static void AssertSame(torch.Tensor expected, torch.Tensor actual)
        {
            if (expected.numel() == 0)
                return;
            var tolerance = expected.nan_to_num().abs().amax([1], keepdim: true).mul(Scalars.Keep(2e-3));
            var isSame = expected.sub(actual).abs().le(tolerance)
                .logical_or(expected.eq(actual))
                .logical_or(expected.isnan().logical_and(actual.isnan()));
            if (!isSame.all().item<bool>())
                throw new NotSupportedException("A row's scores depend on the rows beside it.");
        }
    }

    /// <summary>The network with the number of rows of its input and outputs unknown.</summary>
    private Network WithFreeShapes(Network built)
    {
        var plan = _network.Graph.Plan;
        var inputs = built.Graph.Inputs.Select(input => Free(input, 0, 0));
        var outputs = built.Graph.Outputs.Zip(plan.GraphOutputs, (value, slot) => Free(value, _axes[slot], slot));
        var graph = new Graph([.. inputs], built.Graph.Parameters, built.Graph.Nodes, [.. outputs]);
        return built.To(built.Device, graph);

        GraphValue Free(GraphValue value, int? axis, int slot)
        {
            if (axis is null || value.Shape.IsEmpty)
                return value;
            var shape = value.Shape.ToArray();
            // A graph may say another rank than the value has; then nothing is known.
            if (shape.Length != _many[slot]!.dim())
                return new GraphValue(value.Name, value.ElementType, []);
            shape[axis.Value] = TensorShape.Dynamic;
            return new GraphValue(value.Name, value.ElementType, shape);
        }
    }

    private static torch.Tensor?[] Values(torch.Tensor?[] values, int[] slots) =>
        Array.ConvertAll(slots, slot => slot < 0 ? null : values[slot]);

    /// <summary>Computes what replaces a node.</summary>
    private torch.Tensor[] Compute(List<GraphNode> nodes, GraphNode node, int[] slots, torch.Tensor?[] values)
    {
        var known = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        for (var i = 0; i < slots.Length; i++)
        {
            if (slots[i] >= 0)
                known[node.Inputs[i]] = values[slots[i]]!;
        }
        torch.Tensor[] outputs = [];
        foreach (var part in nodes)
        {
            outputs = Network.Compute(
                part,
                [
                    .. part.Inputs.Select(input => input.Length == 0
                        ? null
                        : known.GetValueOrDefault(input) ?? _rewriter.Tensor(input)),
                ],
                _context);
            known[part.Outputs[0]] = outputs[0];
        }
        return outputs;
    }

    /// <summary>The dimension that grew with the number of rows.</summary>
    private int? Axis(GraphNode node, long[] few, long[] many)
    {
        if (few.Length != many.Length)
            throw new NotSupportedException($"The rank of the output of {node} depends on the number of rows.");
        int? axis = null;
        for (var d = 0; d < few.Length; d++)
        {
            if (few[d] == many[d])
                continue;
            if (axis is not null || many[d] != _factor * few[d])
                throw new NotSupportedException($"The shape of the output of {node} does not have a batch.");
            axis = d;
        }
        return axis;
    }

    /// <summary>The nodes that do for any number of rows what a node does for one number.</summary>
    private List<GraphNode> Rewritten(GraphNode node, int[] slots, long[] output)
    {
        if (node.Operator is Concatenation)
            return Concatenated(node, slots);
        if (slots.Length == 0 || slots[0] < 0 || _axes[slots[0]] is not { } axis)
            return [node];
        var input = _few[slots[0]]!.shape;
        return node.Operator switch
        {
            Reshape when Constant(node, 1) is { } shape => [Reshaped(node, input, axis, shape, output)],
            Expand when Constant(node, 1) is { } shape
                && shape.Length - input.Length + axis is >= 0 and var d && shape[d] == input[axis] =>
                [With(node, 1, [.. shape[..d], 1, .. shape[(d + 1)..]])],
            Resize when Constant(node, 3) is { Length: > 0 } sizes
                && sizes.Length == input.Length && sizes[axis] == input[axis] =>
                Resized(node, axis, sizes),
            // Without axes, a batch of one row would be removed too.
            Squeeze when node.Inputs.Length < 2 =>
                [With(node, 1, [.. OfSizeOne(input).Where(d => d != axis)])],
            Flatten when axis == 0 && _batch == 1 && node.Operator.Attributes.Integer("axis", 1) == 0 =>
                [new GraphNode(node.Name, Operator.Create(node.Operator.Type), node.Inputs, node.Outputs)],
            _ => [node],
        };
    }

    private GraphNode Reshaped(GraphNode node, long[] input, int axis, long[] shape, long[] output)
    {
        var keepsZeros = node.Operator.Attributes.Integer("allowzero", 0) == 0;
        // The batch is the outermost factor of a dimension; it has to be one again, after as many elements.
        var before = Product(input.AsSpan(0, axis));
        var target = Array.FindIndex(output, 0, output.Length, size => size % _batch == 0);
        while (target >= 0 && target < output.Length
            && (Product(output.AsSpan(0, target)) != before || output[target] % _batch != 0))
        {
            target++;
        }
        if (target < 0 || target >= output.Length)
            throw new NotSupportedException($"Node {node} takes the batch apart.");
        if (shape[target] == TensorShape.Dynamic || keepsZeros && shape[target] == 0)
            return node;
        var changed = shape.ToArray();
        if (keepsZeros && target == axis && output[target] == input[axis])
        {
            changed[target] = 0;
        }
        else
        {
            // Only one size can be left open: the others become what they are.
            if (shape.Contains(TensorShape.Dynamic)
                && _network.Graph.Inputs[0].Shape[1..].Contains(TensorShape.Dynamic))
            {
                throw new NotSupportedException($"Node {node} would have two sizes that are not known.");
            }
            for (var d = 0; d < changed.Length; d++)
                changed[d] = d == target ? TensorShape.Dynamic : shape[d] == TensorShape.Dynamic ? output[d] : shape[d];
        }
        return With(node, 1, changed);
    }

    private List<GraphNode> Resized(GraphNode node, int axis, long[] sizes)
    {
        var nodes = new List<GraphNode>();
        var batch = BatchOf(node, node.Inputs[0], axis, nodes);
        var list = Append(node, nodes, axis, batch, sizes);
        nodes.Add(WithInput(node, 3, list));
        return nodes;
    }

    /// <summary>
    /// Repeats what is concatenated with rows and is given once, as the token of a class, for each row.
    /// </summary>
    private List<GraphNode> Concatenated(GraphNode node, int[] slots)
    {
        var first = Array.FindIndex(slots, slot => slot >= 0 && _axes[slot] is not null);
        if (first < 0)
            return [node];
        var (axis, rank) = (_axes[slots[first]]!.Value, _few[slots[first]]!.dim());
        var nodes = new List<GraphNode>();
        string? list = null;
        var inputs = node.Inputs.ToArray();
        for (var i = 0; i < slots.Length; i++)
        {
            var shape = _few[slots[i]]!.shape;
            if (_axes[slots[i]] is not null || shape.Length != rank || shape[axis] != 1
                || HostValues.Axis(node.Operator.Attributes.Integer("axis", 0), rank) == axis)
            {
                continue;
            }
            var ones = new long[rank];
            Array.Fill(ones, 1);
            list ??= Append(node, nodes, axis, BatchOf(node, node.Inputs[first], axis, nodes), ones);
            inputs[i] = _rewriter.FreshName($"{node.Inputs[i]}.rows");
            nodes.Add(new GraphNode(inputs[i], Operator.Create("Expand"), [node.Inputs[i], list], [inputs[i]]));
        }
        nodes.Add(new GraphNode(node.Name, node.Operator, [.. inputs], node.Outputs));
        return nodes;
    }

    /// <summary>The size of a dimension of a value, as a list of one integer.</summary>
    private string BatchOf(GraphNode node, string value, int axis, List<GraphNode> nodes)
    {
        var shape = _rewriter.FreshName($"{node.Outputs[0]}.shape");
        nodes.Add(new GraphNode(shape, Operator.Create("Shape"), [value], [shape]));
        var batch = _rewriter.FreshName($"{node.Outputs[0]}.batch");
        nodes.Add(new GraphNode(batch, Operator.Create("Gather"), [shape, AddConstant(batch, [axis])], [batch]));
        return batch;
    }

    /// <summary>A list of integers, one of which is computed.</summary>
    private string Append(GraphNode node, List<GraphNode> nodes, int axis, string batch, long[] others)
    {
        var list = _rewriter.FreshName($"{node.Outputs[0]}.sizes");
        var parts = new List<string>();
        if (axis > 0)
            parts.Add(AddConstant(list, others.AsSpan(0, axis)));
        parts.Add(batch);
        if (axis + 1 < others.Length)
            parts.Add(AddConstant(list, others.AsSpan(axis + 1)));
        nodes.Add(new GraphNode(
            list, Operator.Create("Concat", new OperatorAttributes(("axis", 0L))), [.. parts], [list]));
        return list;
    }

    private string AddConstant(string stem, ReadOnlySpan<long> values)
    {
        var name = _rewriter.FreshName($"{stem}.constant");
        _rewriter.AddParameter(name, HostValues.Tensor(values), ParameterRole.Constant);
        return name;
    }

    /// <summary>The node with another constant list of integers as an input.</summary>
    private GraphNode With(GraphNode node, int input, ReadOnlySpan<long> values) =>
        WithInput(node, input, AddConstant(node.Outputs[0], values));

    private static GraphNode WithInput(GraphNode node, int input, string value)
    {
        var inputs = node.Inputs.ToList();
        while (inputs.Count <= input)
            inputs.Add("");
        inputs[input] = value;
        return new GraphNode(node.Name, node.Operator, [.. inputs], node.Outputs);
    }

    /// <summary>The integers of an input that is a constant.</summary>
    private long[]? Constant(GraphNode node, int input) =>
        input < node.Inputs.Length && _network.Parameters.TryGetValue(node.Inputs[input], out var value)
            ? HostValues.Integers(value)
            : null;

    private static IEnumerable<long> OfSizeOne(long[] shape)
    {
        for (var d = 0; d < shape.Length; d++)
        {
            if (shape[d] == 1)
                yield return d;
        }
    }

    private static long Product(ReadOnlySpan<long> sizes)
    {
        var product = 1L;
        foreach (var size in sizes)
            product *= size;
        return product;
    }
}
