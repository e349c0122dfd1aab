using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Weighted means of parameters, and variances of normalizations as those of the mixture of the networks' data.
/// </summary>
internal sealed class MergedMeans
{
    private readonly IReadOnlyList<MergeSource> _sources;
    private readonly ILookup<string, string> _variances;

    /// <summary>Finds the variances.</summary>
    /// <param name="graph">The graph of all networks.</param>
    /// <param name="sources">The networks.</param>
    public MergedMeans(Graph graph, IReadOnlyList<MergeSource> sources)
    {
        _sources = sources;
        var sizes = graph.Parameters.Where(definition => !MergeSource.IsConstant(definition)).ToDictionary(
            definition => definition.Name, definition => TensorShape.ElementCount(definition.Shape),
            StringComparer.Ordinal);
        // A mean may be computed, as any input, or be a constant that all networks share; then there is no mixture.
        _variances = graph.Nodes
            .Where(node => node.Operator is BatchNormalization
                && sizes.TryGetValue(node.Inputs[3], out var size) && size == sizes.GetValueOrDefault(node.Inputs[4]))
            .ToLookup(node => node.Inputs[4], node => node.Inputs[3], StringComparer.Ordinal);
    }

    /// <summary>The merged values of a parameter that no method decides on.</summary>
    public double[] Of(string name) => _variances.Contains(name)
        ? MixtureVariance(name, _variances[name].First())
        : Mean(name, _sources);

    /// <summary>Computes the weighted mean; where all networks agree, exactly their common value.</summary>
    public static double[] Mean(string name, IReadOnlyList<MergeSource> sources)
    {
        var first = sources[0].Values(name);
        var mean = new double[first.Length];
        var differs = new bool[first.Length];
        foreach (var source in sources)
        {
            var values = source.Values(name);
            for (var i = 0; i < mean.Length; i++)
            {
                mean[i] += source.Lambda * values[i];
                differs[i] |= values[i] != first[i];
            }
        }
        for (var i = 0; i < mean.Length; i++)
        {
            if (!differs[i])
                mean[i] = first[i];
        }
        return mean;
    }

    /// <summary>
    /// Computes the variance of the mixture, <c>sum lambda (variance + (mean_d - mean)^2)</c>: the same as in
    /// <see cref="NetworkMerger"/>, without its cancellation.
    /// </summary>
    private double[] MixtureVariance(string name, string meanName)
    {
        var variance = Mean(name, _sources);
        var mean = Mean(meanName, _sources);
        foreach (var source in _sources)
        {
            var values = source.Values(meanName);
            for (var i = 0; i < variance.Length; i++)
                variance[i] += source.Lambda * (values[i] - mean[i]) * (values[i] - mean[i]);
        }
        return variance;
    }
}
