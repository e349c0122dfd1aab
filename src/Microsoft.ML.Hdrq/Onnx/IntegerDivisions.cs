using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Divisions of integers. Where a quotient does not fit into the type, that of the smallest integer and -1, the
/// processor ends the process, and ONNX Runtime does not look.
/// </summary>
internal static class IntegerDivisions
{
    /// <summary>Refuses divisors that are constant and by which nothing, or not everything, can be divided.</summary>
    /// <remarks>Constants that are divided by constants have been computed before, where they are not large.</remarks>
    /// <exception cref="InvalidDataException">There is such a divisor; the message names the node.</exception>
    public static void Check(Network network)
    {
        foreach (var node in Of(network.Graph))
        {
            if (!network.Parameters.TryGetValue(node.Inputs[1], out var divisor))
                continue;
            foreach (var refused in new[] { 0, -1 })
            {
                using var scope = torch.NewDisposeScope();
                if (divisor.eq(torch.tensor(refused)).any().item<bool>())
                    throw new InvalidDataException($"Node {node} divides integers by {refused}.");
            }
        }
    }

    /// <summary>
    /// Whether integers are divided by integers that are computed, and may be anything: from the input, or from
    /// constants that are too large to compute when a file is read.
    /// </summary>
    public static bool HaveUnknownDivisors(Graph graph)
    {
        var parameters = graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        return Of(graph).Any(node => !parameters.Contains(node.Inputs[1]));
    }

    private static List<GraphNode> Of(Graph graph)
    {
        var divisions = graph.Nodes.Where(node => node.Operator.Type is "Div" or "Mod").ToList();
        if (divisions.Count == 0)
            return divisions;
        var types = new ValueTypes(graph);
        divisions.RemoveAll(node => types.Of(node.Inputs[1]) is not (ElementType.Int32 or ElementType.Int64));
        return divisions;
    }
}
