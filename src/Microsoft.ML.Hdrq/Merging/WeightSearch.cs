namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Searches for the best weights of networks. From the given ones, weight is moved from one network to another where
/// that makes the measure smaller, in steps that are halved when no move helps. Deterministic.
/// </summary>
internal static class WeightSearch
{
    private const double FirstStep = 0.2;

    /// <summary>Finds weights.</summary>
    /// <param name="start">The weights to begin with, of sum 1.</param>
    /// <param name="measure">The function of the weights to minimize.</param>
    /// <param name="resolution">The smallest step.</param>
    /// <param name="progress">Receives a report of every measurement.</param>
    /// <param name="cancellationToken">Ends the search between two measurements.</param>
    /// <returns>The best weights, of sum 1.</returns>
    public static double[] Minimize(
        double[] start, Func<double[], double> measure, double resolution,
        IProgress<MergeWeightProgress>? progress, CancellationToken cancellationToken)
    {
        var measured = new Dictionary<string, double>(StringComparer.Ordinal);
        var best = start;
        var minimum = Measure(best);
        for (var step = FirstStep; step >= resolution / 2; step /= 2)
        {
            while (Better(step) is var (weights, value))
                (best, minimum) = (weights, value);
        }
        return best;

        // The best of all moves by this step; null where none helps.
        (double[] Weights, double Value)? Better(double step)
        {
            (double[] Weights, double Value)? found = null;
            for (var to = 0; to < best.Length; to++)
            {
                for (var from = 0; from < best.Length; from++)
                {
                    var moved = Math.Min(step, best[from]);
                    if (from == to || moved < resolution / 2)
                        continue;
                    var weights = (double[])best.Clone();
                    weights[to] += moved;
                    weights[from] -= moved;
                    var value = Measure(weights);
                    if (value < (found?.Value ?? minimum))
                        found = (weights, value);
                }
            }
            return found;
        }

        double Measure(double[] weights)
        {
            var key = string.Join(' ', weights.Select(weight => Math.Round(weight, 9)));
            if (measured.TryGetValue(key, out var known))
                return known;
            cancellationToken.ThrowIfCancellationRequested();
            var value = measure(weights);
            measured.Add(key, value);
            progress?.Report(new MergeWeightProgress([.. weights], value, measured.Count));
            return value;
        }
    }
}
