




namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Compares two graphs node by node, up to the names of values in between.</summary>
internal static class GraphComparison
{
    public static string? FirstDifference(Graph a, Graph b)
    {
        if (Sequence("input", a.Inputs, b.Inputs) is { } inputs)
            return inputs;
        if (Parameters(a, b) is { } parameters)
            return parameters;

        // Values in between are numbered in the order of definition, so that only the wiring counts.
        var numbersOfA = Numbers(a);
        var numbersOfB = Numbers(b);
        for (var i = 0; i < Math.Min(a.Nodes.Length, b.Nodes.Length); i++)
        {
            var (x, y) = (a.Nodes[i], b.Nodes[i]);
            if (!x.Operator.Equals(y.Operator))
                return $"Node {i} is {x} in one graph and {y} in the other: {x.Operator} against {y.Operator}.";
            if (!Same(x.Inputs, y.Inputs, numbersOfA, numbersOfB))
                return $"Node {i}, {x} in one graph and {y} in the other, reads ({string.Join(", ", x.Inputs)}) against ({string.Join(", ", y.Inputs)}).";
            if (!x.Outputs.Select(output => output.Length > 0).SequenceEqual(y.Outputs.Select(output => output.Length > 0)))
                return $"Node {i}, {x} in one graph and {y} in the other, defines ({string.Join(", ", x.Outputs)}) against ({string.Join(", ", y.Outputs)}).";
            Define(x, numbersOfA);
            Define(y, numbersOfB);
        }
        if (a.Nodes.Length != b.Nodes.Length)
            return $"One graph has {a.Nodes.Length} nodes, the other {b.Nodes.Length}.";
        if (Sequence("output", a.Outputs, b.Outputs) is { } outputs)
            return outputs;
        for (var i = 0; i < a.Outputs.Length; i++)
        {
            if (!numbersOfA[a.Outputs[i].Name].Equals(numbersOfB[b.Outputs[i].Name]))
                return $"Output '{a.Outputs[i].Name}' comes from different nodes.";
        }
        return null;
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

    private static string? Parameters(Graph a, Graph b)
    {
        var others = b.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        foreach (var parameter in a.Parameters)
        {
            if (!others.Remove(parameter.Name, out var other))
                return $"Parameter {parameter} is in one graph only.";
            if (!parameter.Equals(other))
                return $"Parameter {parameter} differs from {other}.";
        }
        return others.Count > 0 ? $"Parameter {others.Values.First()} is in one graph only." : null;
    }

    private static Dictionary<string, object> Numbers(Graph graph)
    {
        var numbers = new Dictionary<string, object>(StringComparer.Ordinal) { [""] = "" };
        foreach (var input in graph.Inputs)
            numbers.Add(input.Name, input.Name);
        foreach (var parameter in graph.Parameters)
            numbers.Add(parameter.Name, parameter.Name);
        return numbers;
    }

    private static void Define(GraphNode node, Dictionary<string, object> numbers)
    {
        foreach (var output in node.Outputs)
        {
            if (output.Length > 0)
                numbers.Add(output, numbers.Count);
        }
    }

    private static bool Same(IReadOnlyList<string> a, IReadOnlyList<string> b, Dictionary<string, object> numbersOfA, Dictionary<string, object> numbersOfB)
    {
        if (a.Count != b.Count)
            return false;
        for (var i = 0; i < a.Count; i++)
        {
            if (!numbersOfA[a[i]].Equals(numbersOfB[b[i]]))
                return false;
        }
        return true;
    }
}
