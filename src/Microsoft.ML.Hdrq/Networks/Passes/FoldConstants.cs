using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Computes once what does not depend on the input: nodes whose inputs are all constants, and nodes that bring a weight
/// or statistic into another shape or order, so that its layer reads the parameter directly. A parameter that nothing
/// else reads keeps its name; where others read it too, the moved elements become a new parameter. Drops nodes and
/// parameters that no output needs, and nodes that change nothing (identities, and padding by nothing).
/// </summary>
internal static class FoldConstants
{
    // Folding is for shapes and amounts. Larger values, and those beyond the total, are left to the forward pass: a
    // file must not exhaust memory when it is loaded. What no forward pass may compute either is refused.
    private const long MaxInputElements = 1L << 12;
    private const long MaxOutputElements = 1L << 20;
    private const long MaxTotalElements = 1L << 24;

    /// <summary>Simplifies a network.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>A network that computes the same, with parameters of its own, owned by the caller.</returns>
    /// <exception cref="InvalidOperationException">A constant part of the graph cannot be computed; the message names
    /// the node.</exception>
    public static Network Apply(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var roles = new ReaderRoles(network.Graph.Nodes, network.Graph.Outputs.Select(output => output.Name));
        var readers = new ParameterReaders(network.Graph);
        var copied = new HashSet<string>(StringComparer.Ordinal);
        var folded = 0L;
        foreach (var node in network.Graph.Nodes)
        {
            if (folded < MaxTotalElements && IsFoldable(node, rewriter)
                && Compute(node, rewriter, network.MaxValueSize) is { } outputs)
            {
                for (var i = 0; i < node.Outputs.Length; i++)
                {
                    if (node.Outputs[i].Length == 0)
                        continue;
                    // A filter computed from constants is a weight of the layer that reads it, like a filter stored as
                    // a tensor.
                    var role = outputs[i].is_floating_point() ? roles.Certain(node.Outputs[i]) : null;
                    rewriter.AddParameter(node.Outputs[i], outputs[i], role ?? ParameterRole.Constant);
                    folded += outputs[i].numel();
                }
            }
            else if (IsMovedParameter(node, rewriter)
                && (readers.IsOnlyReader(rewriter.Resolve(node.Inputs[0]))
                    || readers.Moves(rewriter.Resolve(node.Inputs[0])) * rewriter.Tensor(node.Inputs[0]).numel()
                        <= MaxTotalElements))
            {
                Move(node, rewriter, readers, copied, network.MaxValueSize);
            }
            else if (ChangesNothing(node, rewriter) && !rewriter.IsGraphOutput(node.Outputs[0]))
            {
                rewriter.Replace(node.Outputs[0], node.Inputs[0]);
                readers.TakeOver(rewriter.Resolve(node.Inputs[0]), node.Outputs[0]);
            }
            else
            {
                rewriter.AddNode(node);
            }
        }
        var changed = SetRoles(copied, rewriter, network.Graph);
        var result = rewriter.Build();
        if (!changed)
            return result;
        // What turned out to be a constant may allow more to be folded.
        using (result)
            return Apply(result);
    }

    /// <summary>Whether a graph has nodes that bring a weight or statistic into another shape or order.</summary>
    public static bool MovesParameters(Graph graph)
    {
        var parameters = graph.Parameters
            .Where(parameter => parameter.Role is ParameterRole.Weight or ParameterRole.Statistic)
            .Select(parameter => parameter.Name)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (!node.Operator.Traits.HasFlag(OperatorTraits.Rearranges) || !parameters.Contains(node.Inputs[0]))
                continue;
            if (Moves(node))
                return true;
            parameters.Add(node.Outputs[0]);
        }
        return false;
    }

    /// <summary>
    /// Whether a graph computes values from parameters alone, which may be as large as no machine's memory: they were
    /// too large to be computed when the network was read, or are of weights.
    /// </summary>
    public static bool LeavesConstants(Graph graph)
    {
        var parameters = graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        return graph.Nodes.Any(node => node.Operator.Definition.Foldable
            && !node.Operator.Traits.HasFlag(OperatorTraits.Rearranges)
            && node.Inputs.All(input => input.Length == 0 || parameters.Contains(input)));
    }

    /// <summary>
    /// Gives parameters that were moved for some of their readers, and the copies, the roles that they would get in a
    /// file: each has its own readers from now on.
    /// </summary>
    /// <returns>Whether a role has changed.</returns>
    private static bool SetRoles(HashSet<string> names, GraphRewriter rewriter, Graph graph)
    {
        if (names.Count == 0)
            return false;
        var roles = new ReaderRoles(rewriter.Nodes, graph.Outputs.Select(output => rewriter.Resolve(output.Name)));
        var changed = false;
        foreach (var name in names.Where(name => rewriter.Tensor(name).is_floating_point()))
        {
            var role = roles.Stored(name, rewriter.Tensor(name).numel());
            changed |= role != rewriter.Definition(name)!.Role;
            rewriter.AddParameter(name, rewriter.Tensor(name), role);
        }
        return changed;
    }

    /// <summary>Whether a node moves the elements of its first input, and does not only pass them on.</summary>
    private static bool Moves(GraphNode node) =>
        node.Operator.Traits.HasFlag(OperatorTraits.Rearranges)
        && !node.Operator.Traits.HasFlag(OperatorTraits.PassesOn);

    /// <summary>
    /// Whether a node brings a weight or statistic into a shape or order that depends on constants alone.
    /// </summary>
    private static bool IsMovedParameter(GraphNode node, GraphRewriter rewriter) =>
        Moves(node)
        && !rewriter.IsGraphOutput(node.Outputs[0])
        && rewriter.Definition(node.Inputs[0]) is
        {
            Role: ParameterRole.Weight or ParameterRole.Statistic,
            ElementType: not (ElementType.Int4 or ElementType.UInt4),
        }
        && node.Inputs.Skip(1).All(input => input.Length == 0 || rewriter.IsConstant(input));

    /// <summary>Moves a parameter's elements, and lets the moved value's readers read the result directly.</summary>
    /// <param name="node">The node that moves them.</param>
    /// <param name="rewriter">The rewriter.</param>
    /// <param name="readers">The readers of parameters.</param>
    /// <param name="copied">Receives the names of the parameter and its copy where others read it too.</param>
    /// <param name="maxValueSize">The maximum number of bytes of a value.</param>
    private static void Move(
        GraphNode node, GraphRewriter rewriter, ParameterReaders readers, HashSet<string> copied, long maxValueSize)
    {
        var (name, output) = (rewriter.Resolve(node.Inputs[0]), node.Outputs[0]);
        var role = rewriter.Definition(name)!.Role;
        var tensor = rewriter.Tensor(name);
        using var scope = torch.NewDisposeScope();
        var inputs = node.Inputs.Select(input => input.Length == 0 ? null : rewriter.Tensor(input)).ToArray();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        context.Limit(maxValueSize);
        var moved = Network.Compute(node, inputs, context)[0]
            .contiguous()
            .MoveToOuterDisposeScope();
        if (!readers.IsOnlyReader(name))
        {
            rewriter.AddParameter(output, moved, role);
            copied.UnionWith([name, output]);
            return;
        }
        rewriter.AddParameter(name, moved, role);
        rewriter.Replace(output, name);
        if (readers.Rename(name, output))
            tensor.Dispose();
    }

    /// <summary>Computes a node on constants; null when the values are too large to keep.</summary>
    private static torch.Tensor[]? Compute(GraphNode node, GraphRewriter rewriter, long maxValueSize)
    {
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU, maxElements: MaxOutputElements);
        context.Limit(maxValueSize);
        try
        {
            return Network.Compute(
                node, [.. node.Inputs.Select(input => input.Length == 0 ? null : rewriter.Tensor(input))], context);
        }
        catch (InvalidOperationException) when (context.RefusedSize)
        {
            return null;
        }
    }

    private static bool IsFoldable(GraphNode node, GraphRewriter rewriter)
    {
        if (!node.Operator.Definition.Foldable)
            return false;
        var inputs = node.Inputs.Where(input => input.Length > 0).ToList();
        // Torch has no 4-bit integers: only a cast gives a value whose type it knows.
        return inputs.All(input => rewriter.IsConstant(input) && rewriter.Tensor(input).numel() <= MaxInputElements)
            && (node.Operator is Cast
                || inputs.All(input => rewriter.Definition(input)!.ElementType
                    is not (ElementType.Int4 or ElementType.UInt4)))
            && inputs.Sum(input => rewriter.Tensor(input).numel()) <= MaxOutputElements
            && BroadcastElements(inputs.Select(input => rewriter.Tensor(input).shape)) * inputs.Count
                <= MaxOutputElements;
    }

    /// <summary>
    /// The number of elements of the inputs when they are broadcast to one shape, whether or not the operator does
    /// that.
    /// </summary>
    private static double BroadcastElements(IEnumerable<long[]> shapes)
    {
        var sizes = new List<long>();
        foreach (var shape in shapes)
        {
            for (var d = 0; d < shape.Length; d++)
            {
                if (d == sizes.Count)
                    sizes.Add(1);
                sizes[d] = Math.Max(sizes[d], shape[^(d + 1)]);
            }
        }
        return sizes.Aggregate(1.0, (product, size) => product * size);
    }

    private static bool ChangesNothing(GraphNode node, GraphRewriter rewriter) =>
        node.Operator.Traits.HasFlag(OperatorTraits.PassesOn)
        || node.Operator is Pad && node.Inputs.Length > 1 && rewriter.IsConstant(node.Inputs[1])
            && HostValues.Integers(rewriter.Tensor(node.Inputs[1])).All(pad => pad == 0);

    /// <summary>Counts the readers of each parameter's current value while the graph is rewritten.</summary>
    private sealed class ParameterReaders
    {
        private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);

        // How many nodes move a value, directly or after others. A decision that depends on the graph alone, and not
        // on what was moved before, comes out the same when the network is read again.
        private readonly Dictionary<string, long> _moves = new(StringComparer.Ordinal);

        // The value whose elements a parameter holds since it was moved under its own name.
        private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

        public ParameterReaders(Graph graph)
        {
            foreach (var output in graph.Outputs)
                Count(output.Name);
            foreach (var node in NeededNodes.Backwards(graph.Nodes, graph.Outputs.Select(output => output.Name)))
            {
                foreach (var input in node.Inputs)
                    Count(input);
                if (node.Operator.Traits.HasFlag(OperatorTraits.Rearranges))
                {
                    _moves[node.Inputs[0]] = Moves(node.Inputs[0]) + Moves(node.Outputs[0])
                        + (FoldConstants.Moves(node) ? 1 : 0);
                }
            }

            void Count(string name) => _counts[name] = _counts.GetValueOrDefault(name) + 1;
        }

        public bool IsOnlyReader(string parameter) => _counts.GetValueOrDefault(Value(parameter)) == 1;

        /// <summary>How many nodes move the parameter's current value, directly or after others.</summary>
        public long Moves(string parameter) => _moves.GetValueOrDefault(Value(parameter));

        /// <summary>Records that a parameter now holds another value; true when it had been moved before.</summary>
        public bool Rename(string parameter, string value)
        {
            var again = _values.ContainsKey(parameter);
            _values[parameter] = value;
            return again;
        }

        /// <summary>Adds the readers of a value that a parameter replaces from now on.</summary>
        public void TakeOver(string parameter, string value) =>
            _counts[Value(parameter)] =
                _counts.GetValueOrDefault(Value(parameter)) - 1 + _counts.GetValueOrDefault(value);

        private string Value(string parameter) => _values.GetValueOrDefault(parameter, parameter);
    }
}
