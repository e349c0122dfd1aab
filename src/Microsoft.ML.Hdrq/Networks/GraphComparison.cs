
namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Compares two graphs node by node, ignoring the names of intermediate values and constants. Weights and statistics
/// are identified by name; a constant is identified by the places where it is read, because files hold the same
/// constant as an attribute, as several constants or under other names.
/// </summary>
internal static class GraphComparison
{
    public static string? FirstDifference(Graph a, Graph b)
    {
        if (Sequence("input", a.Inputs, b.Inputs) is { } inputs)
            return inputs;
        if (Parameters(a, b) is { } parameters)
            return parameters;

        // Intermediate values are numbered in the order of definition, so that only the wiring counts.
        var numbersOfA = Numbers(a);
        var numbersOfB = Numbers(b);
        var defined = 0;
        for (var i = 0; i < Math.Min(a.Nodes.Length, b.Nodes.Length); i++)
        {
            var (x, y) = (a.Nodes[i], b.Nodes[i]);
            if (!x.Operator.Equals(y.Operator))
                return $"Node {i} is {x} in one graph and {y} in the other: {x.Operator} against {y.Operator}.";
            if (x.Inputs.Length != y.Inputs.Length)
            {
                return $"Node {i}, {x} in one graph and {y} in the other, "
                    + $"reads ({string.Join(", ", x.Inputs)}) against ({string.Join(", ", y.Inputs)}).";
            }
            for (var input = 0; input < x.Inputs.Length; input++)
            {
                var (p, q) = (numbersOfA[x.Inputs[input]], numbersOfB[y.Inputs[input]]);
                if (p is ParameterDefinition constant && q is ParameterDefinition other
                    ? !SameConstant(constant, other, x.Operator.ReadsAsList(input))
                    : !p.Equals(q))
                {
                    return $"Node {i}, {x} in one graph and {y} in the other, "
                        + $"reads ({Inputs(x, numbersOfA)}) against ({Inputs(y, numbersOfB)}).";
                }
            }
            if (!x.Outputs.Select(output => output.Length > 0)
                .SequenceEqual(y.Outputs.Select(output => output.Length > 0)))
            {
                return $"Node {i}, {x} in one graph and {y} in the other, "
                    + $"defines ({string.Join(", ", x.Outputs)}) against ({string.Join(", ", y.Outputs)}).";
            }
            for (var output = 0; output < x.Outputs.Length; output++, defined++)
            {
                if (x.Outputs[output].Length == 0)
                    continue;
                numbersOfA.Add(x.Outputs[output], defined);
                numbersOfB.Add(y.Outputs[output], defined);
            }
        }
        if (a.Nodes.Length != b.Nodes.Length)
            return $"One graph has {a.Nodes.Length} nodes, the other {b.Nodes.Length}.";
        if (Sequence("output", a.Outputs, b.Outputs) is { } outputs)
            return outputs;
        for (var i = 0; i < a.Outputs.Length; i++)
        {
            var (p, q) = (numbersOfA[a.Outputs[i].Name], numbersOfB[b.Outputs[i].Name]);
            if (p is ParameterDefinition constant && q is ParameterDefinition other
                ? !SameConstant(constant, other, asList: false)
                : !p.Equals(q))
            {
                return $"Output '{a.Outputs[i].Name}' comes from different nodes.";
            }
        }
        return null;
    }

    /// <summary>
    /// Pairs the constants that two equal graphs read at the same places. A constant is in several pairs where the
    /// other graph has several constants for it.
    /// </summary>
    public static IEnumerable<(string A, string B)> ConstantPairs(Graph a, Graph b)
    {
        var constants = a.Parameters
            .Where(parameter => parameter.Role == ParameterRole.Constant)
            .Select(parameter => parameter.Name)
            .ToHashSet(StringComparer.Ordinal);
        return a.Nodes.Zip(b.Nodes).SelectMany(nodes => nodes.First.Inputs.Zip(nodes.Second.Inputs))
            .Concat(a.Outputs.Zip(b.Outputs, (x, y) => (x.Name, y.Name)))
            .Where(pair => constants.Contains(pair.Item1)).Distinct();
    }

    private static string? Sequence(string what, IReadOnlyList<GraphValue> a, IReadOnlyList<GraphValue> b)
    {
        if (a.Count != b.Count)
            return $"One graph has {a.Count} {what}s, the other {b.Count}.";
        for (var i = 0; i < a.Count; i++)
        {
            if (!a[i].Equals(b[i]))
                return $"The {what} {a[i]} differs from {b[i]}.";
        }
        return null;
    }

    private static string? Parameters(Graph a, Graph b) => Parameters(a, ByName(b)) ?? Parameters(b, ByName(a));

    private static Dictionary<string, ParameterDefinition> ByName(Graph graph) =>
        graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);

    private static string? Parameters(Graph graph, Dictionary<string, ParameterDefinition> others)
    {
        foreach (var parameter in graph.Parameters.Where(parameter => parameter.Role != ParameterRole.Constant))
        {
            if (!others.TryGetValue(parameter.Name, out var other))
                return $"Parameter {parameter} is in one graph only.";
            if (!parameter.Equals(other))
                return $"Parameter {parameter} differs from {other}.";
        }
        return null;
    }

    /// <summary>
    /// Maps each value to what is compared: the name of an input, a weight or a statistic, or the definition of a
    /// constant.
    /// </summary>
    private static Dictionary<string, object> Numbers(Graph graph)
    {
        var numbers = new Dictionary<string, object>(StringComparer.Ordinal) { [""] = "" };
        foreach (var input in graph.Inputs)
            numbers.Add(input.Name, input.Name);
        foreach (var parameter in graph.Parameters)
            numbers.Add(parameter.Name, parameter.Role == ParameterRole.Constant ? parameter : parameter.Name);
        return numbers;
    }

    private static bool SameConstant(ParameterDefinition a, ParameterDefinition b, bool asList)
    {
        // A scalar counts as a list of one element.
        if (asList && a.Shape.Length <= 1 && b.Shape.Length <= 1)
        {
            return Wide(a.ElementType) == Wide(b.ElementType)
                && TensorShape.ElementCount(a.Shape) == TensorShape.ElementCount(b.Shape);
        }
        return a.ElementType == b.ElementType && a.Shape.SequenceEqual(b.Shape);
    }

    private static ElementType Wide(ElementType type) => type == ElementType.Int32 ? ElementType.Int64 : type;

    private static string Inputs(GraphNode node, Dictionary<string, object> numbers) =>
        string.Join(", ",
            node.Inputs.Select(input => numbers[input] is ParameterDefinition constant ? constant.ToString() : input));
}
