using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// What the layers that read a value make of it, if it is a parameter. Only what the outputs need counts, and nodes
/// that move elements without changing them are looked through, so that a weight is one
/// wherever it is brought into its layer's shape, and stays one when that is done once and for all.
/// </summary>
internal sealed class ReaderRoles
{
    private readonly Dictionary<string, List<(OperatorDefinition Definition, int Input)>> _readers =
        new(StringComparer.Ordinal);

    /// <param name="nodes">The nodes, each after those whose outputs it reads.</param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public ReaderRoles(IReadOnlyList<GraphNode> nodes, IEnumerable<string> outputs)
    {
        var needed = outputs.ToHashSet(StringComparer.Ordinal);
        for (var n = nodes.Count - 1; n >= 0; n--)
        {
            var node = nodes[n];
            if (!node.Outputs.Any(needed.Contains))
                continue;
            needed.UnionWith(node.Inputs);
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

    /// <summary>Who reads a value, and as which input.</summary>
    public IReadOnlyList<(OperatorDefinition Definition, int Input)> Of(string name) =>
        _readers.TryGetValue(name, out var readers) ? readers : [];

    /// <summary>
    /// The role that readers give to a floating-point parameter whatever else is known of it; null where they leave it
    /// open.
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
}
