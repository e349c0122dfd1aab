using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Trims the differences from the source, elects a sign for each element, and takes the mean of the differences that
/// have it.
/// </summary>
internal sealed class TiesMergeMethod(Network source, double density, double scale) : MergeMethod
{
    public override string Name => "TIES";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var differences = new TaskVectors(source, graph, networks[0].Parameters);
        // Over a whole network at once, as the paper's code does it.
        var thresholds = networks
            .Select(network => Threshold(network.Parameters.SelectMany(definition => Difference(network, definition))))
            .ToArray();
        return definition =>
        {
            var merged = differences.Origin(definition).ToArray();
            var trimmed = networks.Select((network, d) => Trimmed(network, definition, thresholds[d])).ToArray();
            for (var i = 0; i < merged.Length; i++)
            {
                var sum = 0.0;
                for (var d = 0; d < trimmed.Length; d++)
                    sum += networks[d].Share * trimmed[d][i];
                var (total, weights) = (0.0, 0.0);
                for (var d = 0; d < trimmed.Length; d++)
                {
                    if (trimmed[d][i] != 0 && Math.Sign(trimmed[d][i]) == Math.Sign(sum))
                    {
                        total += networks[d].Share * trimmed[d][i];
                        weights += networks[d].Share;
                    }
                }
                if (weights > 0)
                    merged[i] += scale * total / weights;
            }
            return merged;
        };

        IEnumerable<double> Difference(MergeInput network, ParameterDefinition definition) =>
            network.Values(definition).Zip(differences.Origin(definition), (value, origin) => value - origin);

        double[] Trimmed(MergeInput network, ParameterDefinition definition, double threshold) =>
            [.. Difference(network, definition).Select(value => Math.Abs(value) >= threshold ? value : 0)];
    }

    /// <summary>Finds the smallest magnitude within the share of differences that count.</summary>
    private double Threshold(IEnumerable<double> differences)
    {
        var sorted = differences.Select(Math.Abs).Order().ToArray();
        return sorted.Length == 0 ? 0 : sorted[Math.Max(0, sorted.Length - (int)Math.Ceiling(density * sorted.Length))];
    }
}
