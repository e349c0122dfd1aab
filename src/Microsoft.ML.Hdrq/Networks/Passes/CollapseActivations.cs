using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Replaces activations that are written out in several nodes by the operators that compute the same, such as
/// <c>x clip(x + 3, 0, 6) / 6</c> by HardSwish: quantizers are then placed around them and not in them, and they are
/// computed in one step. The order of the nodes does not count, but all constants must be scalars, and what is computed
/// in between must not be read elsewhere.
/// </summary>
internal static class CollapseActivations
{
    /// <summary>How far constants may be off: the rounding of single precision, after some products.</summary>
    public const double Tolerance = 1e-6;

    /// <summary>The same for a file in half precision: products of two constants, each off by 2^-11 of itself.</summary>
    public const double HalfTolerance = 1e-3;

    /// <summary>The most nodes that are looked at before and after a gate; the longest form has 9.</summary>
    private const int MaxNodes = 16;

    /// <summary>Replaces all that can be replaced.</summary>
    /// <param name="network">The network, constants folded; it is not changed.</param>
    /// <param name="tolerance">How far constants may be off, relative to what they should be.</param>
    /// <returns>
    /// A network that computes the same, with parameters of its own, owned by the caller; null where nothing is
    /// replaced.
    /// </returns>
    public static Network? Apply(Network network, double tolerance = Tolerance)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var search = new Search(network, tolerance);
        foreach (var node in network.Graph.Nodes)
        {
            if (GatedPolynomial.IsGate(node.Operator))
                search.Around(node);
        }
        if (search.Found.Count == 0)
            return null;
        var rewriter = new GraphRewriter(network);
        foreach (var node in network.Graph.Nodes)
        {
            if (search.Found.TryGetValue(node, out var activation))
                rewriter.AddNode(activation);
            else if (!search.Taken.Contains(node))
                rewriter.AddNode(node);
        }
        return rewriter.Build();
    }

    private sealed class Search(Network network, double tolerance)
    {
        private readonly Dictionary<string, GatedPolynomial?> _constants = network.Graph.Parameters
            .Where(parameter => parameter is { Role: ParameterRole.Constant, ElementType: ElementType.Float32 }
                && parameter.Shape.Length <= 1 && TensorShape.ElementCount(parameter.Shape) == 1)
            .ToDictionary(parameter => parameter.Name, _ => (GatedPolynomial?)null, StringComparer.Ordinal);

        private readonly HashSet<string> _outputs =
            network.Graph.Outputs.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);

        /// <summary>The activations, by the last of the nodes that each replaces.</summary>
        public Dictionary<GraphNode, GraphNode> Found { get; } = [];

        /// <summary>All nodes that are replaced.</summary>
        public HashSet<GraphNode> Taken { get; } = [];

        /// <summary>Replaces the most nodes around a gate, if there are such that are an activation.</summary>
        public void Around(GraphNode gate)
        {
            (HashSet<GraphNode> Nodes, GraphNode Last, GraphNode Activation)? best = null;
            foreach (var start in Before(gate))
            {
                // From the gate on, the function has a single reader at every step, or is no activation.
                var functions = new Dictionary<string, GatedPolynomial?>(StringComparer.Ordinal)
                {
                    [start] = GatedPolynomial.Value,
                };
                var last = gate;
                for (var step = 0; step < MaxNodes && Function(last, functions, MaxNodes) is { } function; step++)
                {
                    if (WrittenActivations.Find(function, tolerance) is { } operation
                        && Between(start, last) is { } nodes && nodes.Count > (best?.Nodes.Count ?? 1))
                    {
                        best = (nodes, last, new GraphNode(last.Name, operation, [start], last.Outputs));
                    }
                    if (_outputs.Contains(last.Outputs[0])
                        || network.Graph.Flow.Readers(last.Outputs[0]).Take(2).ToList() is not [var next])
                    {
                        break;
                    }
                    last = next;
                }
            }
            if (best is not var (taken, end, activation))
                return;
            Found.Add(end, activation);
            Taken.UnionWith(taken);
        }

        /// <summary>The values before a gate of which it may be a function.</summary>
        private List<string> Before(GraphNode gate)
        {
            List<string> values = [gate.Inputs[0]];
            for (var i = 0; i < values.Count && values.Count < MaxNodes; i++)
            {
                if (network.Graph.Flow.Definer(values[i]) is { } definer && !Taken.Contains(definer)
                    && GatedPolynomial.IsTerm(definer.Operator))
                {
                    values.AddRange(definer.Inputs.Where(input =>
                        input.Length > 0 && !_constants.ContainsKey(input) && !values.Contains(input)));
                }
            }
            return values;
        }

        /// <summary>What a node computes as a function of a value; null where it is no such function.</summary>
        private GatedPolynomial? Function(
            GraphNode node, Dictionary<string, GatedPolynomial?> functions, int depth)
        {
            if (node.Outputs is not [var output] || Taken.Contains(node))
                return null;
            if (functions.TryGetValue(output, out var known))
                return known;
            var inputs = new List<GatedPolynomial>();
            foreach (var input in node.Inputs)
            {
                var function = functions.GetValueOrDefault(input) ?? Constant(input)
                    ?? (depth > 0 && network.Graph.Flow.Definer(input) is { } definer
                        ? Function(definer, functions, depth - 1)
                        : null);
                if (function is null)
                    return functions[output] = null;
                inputs.Add(function);
            }
            return functions[output] = GatedPolynomial.Apply(node.Operator, inputs);
        }

        private GatedPolynomial? Constant(string name)
        {
            if (!_constants.TryGetValue(name, out var constant))
                return null;
            return constant ?? (_constants[name] = GatedPolynomial.Of(
                network.Parameters[name].to(torch.ScalarType.Float64).item<double>()));
        }

        /// <summary>The nodes from a value to the last one; null where others read what they compute.</summary>
        private HashSet<GraphNode>? Between(string start, GraphNode last)
        {
            var nodes = new HashSet<GraphNode>();
            var open = new Stack<GraphNode>([last]);
            while (open.TryPop(out var node))
            {
                if (!nodes.Add(node))
                    continue;
                foreach (var input in node.Inputs.Where(input => input != start))
                {
                    if (network.Graph.Flow.Definer(input) is { } definer)
                        open.Push(definer);
                }
            }
            return nodes.All(node => node == last || !_outputs.Contains(node.Outputs[0])
                && network.Graph.Flow.Readers(node.Outputs[0]).All(nodes.Contains))
                ? nodes
                : null;
        }
    }
}
