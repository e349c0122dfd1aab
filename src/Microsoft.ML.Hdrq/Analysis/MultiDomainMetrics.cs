namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>Means over domains.</summary>
public static class MultiDomainMetrics
{
    /// <summary>The harmonic mean of scores, which is high only where all scores are high.</summary>
    /// <param name="scores">The scores, such as accuracies; none of them negative.</param>
    /// <returns>
    /// <c>n / sum 1 / score</c>. NaN where a score is NaN or there are no scores; otherwise 0 where a score is 0.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">A score is negative.</exception>
    public static double HarmonicMean(params IReadOnlyCollection<double> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        foreach (var score in scores)
        {
            if (score < 0)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(scores), score, "A harmonic mean needs scores that are not negative.");
            }
        }
        return scores.Count == 0 || scores.Any(double.IsNaN) ? double.NaN
            : scores.Contains(0) ? 0
            : scores.Count / scores.Sum(score => 1 / score);
    }
}
