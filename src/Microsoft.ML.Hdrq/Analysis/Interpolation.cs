using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Measures mixtures of networks on a grid of weights. A mixture is what merging with its weights makes: quantized
/// networks give quantized mixtures, and running statistics are mixed as distributions are. The mean gives mixtures on
/// the line between the networks, other methods give mixtures beside it. The corners are the networks themselves.
/// </summary>
internal static class Interpolation
{
    /// <summary>Measures loss and accuracy of all mixtures.</summary>
    /// <param name="networks">Networks with equal graphs, and their names; at least two.</param>
    /// <param name="evaluation">The images.</param>
    /// <param name="steps">The number of parts into which an edge is divided, at least 1.</param>
    /// <param name="method">How networks are merged.</param>
    /// <param name="progress">Receives a report of every point.</param>
    /// <param name="cancellationToken">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">The networks cannot be merged, or do not suit the method.</exception>
    public static InterpolationReport Measure(
        IReadOnlyList<(string Name, Network Network)> networks, Evaluation evaluation, int steps, MergeMethod method,
        IProgress<AnalysisProgress>? progress, CancellationToken cancellationToken)
    {
        var parts = networks.Select(entry => entry.Network).ToList();
        var grid = Grid(networks.Count, steps).ToList();
        var points = ImmutableArray.CreateBuilder<InterpolationPoint>();
        foreach (var weights in grid)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var corner = weights.IndexOf(1);
            using var mixture = corner < 0
                ? NetworkMerger.Merge(parts, new MergeOptions { NetworkWeights = weights, Method = method })
                : null;
            var (loss, accuracy) = evaluation.Measure(mixture ?? parts[corner], null, null, cancellationToken);
            points.Add(new InterpolationPoint(weights, loss, accuracy));
            progress?.Report(new AnalysisProgress(points.Count, grid.Count));
        }
        return new InterpolationReport([.. networks.Select(entry => entry.Name)], points.ToImmutable());
    }

    /// <summary>
    /// All weights that are multiples of 1/steps and sum to 1, in descending order of the first network's weight.
    /// </summary>
    internal static IEnumerable<ImmutableArray<double>> Grid(int networks, int steps)
    {
        return Parts(networks, steps).Select(parts => parts.Select(part => (double)part / steps).ToImmutableArray());

        static IEnumerable<ImmutableArray<int>> Parts(int networks, int steps) => networks == 1
            ? [[steps]]
            : Enumerable.Range(0, steps + 1)
                .Reverse()
                .SelectMany(first => Parts(networks - 1, steps - first).Select(rest => rest.Insert(0, first)));
    }
}
