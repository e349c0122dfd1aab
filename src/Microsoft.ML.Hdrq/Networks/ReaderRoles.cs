using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Finds the role of a parameter from the layers that read it. Only nodes that the outputs need count. Nodes that move
/// elements without changing them are skipped, so that a weight is recognized wherever it is brought into its layer's
/// shape, and remains a weight when that step is folded.
/// </summary>
internal sealed class ReaderRoles
{
    private readonly Dictionary<string, List<(OperatorDefinition Definition, int Input)>> _readers =
        new(StringComparer.Ordinal);

    /// <param name="nodes">The nodes, each after those whose outputs it reads.</param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public ReaderRoles(IReadOnlyList<GraphNode> nodes, IEnumerable<string> outputs)
    {
        foreach (var node in NeededNodes.Backwards(nodes, outputs))
        {
            for (var i = 0; i < node.Inputs.Length; i++)
            {
                if (!_readers.TryGetValue(node.Inputs[i], out var readers))
                    _readers.Add(node.Inputs[i], readers = []);
                if (i == 0 && node.Operator.Traits.HasFlag(OperatorTraits.Rearranges))
                    readers.AddRange(Of(node.Outputs[0]));
                else
                    readers.Add((node.Operator.Definition, i));
            }
        }
    }

    /// <summary>The operators that read a value, and as which input.</summary>
    public IReadOnlyList<(OperatorDefinition Definition, int Input)> Of(string name) =>
        _readers.TryGetValue(name, out var readers) ? readers : [];

    /// <summary>
    /// The role that follows from a floating-point parameter's readers alone; null where they leave it open.
    /// </summary>
    public ParameterRole? Certain(string name)
    {
        var readers = Of(name);
        if (readers.Count > 0 && readers.All(reader => reader.Definition.StatisticInputs.Contains(reader.Input)))
            return ParameterRole.Statistic;
        return readers.Any(reader => reader.Definition.WeightInputs.Contains(reader.Input))
            ? ParameterRole.Weight
            : null;
    }

    /// <summary>
    /// The role of a floating-point tensor that a file stores as an initializer, as exporters store weights. Weights
    /// are added biases, class tokens and tables of positions, but not exponents, divisors, bounds or scales of a
    /// resize.
    /// </summary>
    public ParameterRole Stored(string name, long? elements) =>
        Certain(name)
        ?? (elements != 1 && Of(name).Any(reader => !reader.Definition.SteeringInputs.Contains(reader.Input))
            ? ParameterRole.Weight
            : ParameterRole.Constant);
}
