using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
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
        // 0 where all values are those of the first network so far.
        var differences = new double[first.Length];
        foreach (var source in sources)
        {
            var values = source.Values(name);
            TensorPrimitives.MultiplyAdd(values, source.Lambda, mean, mean);
            AddDifferences(values, first, differences);
        }
        for (var i = 0; i < mean.Length; i++)
        {
            if (differences[i] == 0)
                mean[i] = first[i];
        }
        return mean;
    }

    /// <summary>Adds the sizes of differences, of which none is 0 where values differ, however little.</summary>
    private static void AddDifferences(ReadOnlySpan<double> values, ReadOnlySpan<double> first, Span<double> sums)
    {
        var a = MemoryMarshal.Cast<double, Vector<double>>(values);
        var b = MemoryMarshal.Cast<double, Vector<double>>(first);
        var vectors = MemoryMarshal.Cast<double, Vector<double>>(sums);
        for (var i = 0; i < vectors.Length; i++)
            vectors[i] += Vector.Abs(a[i] - b[i]);
        for (var i = vectors.Length * Vector<double>.Count; i < sums.Length; i++)
            sums[i] += Math.Abs(values[i] - first[i]);
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
