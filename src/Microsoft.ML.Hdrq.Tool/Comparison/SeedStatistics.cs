using System.Globalization;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>A score over several seeds, in percent.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Deviation">The sample standard deviation; 0 for one seed.</param>
/// <param name="Count">The number of seeds.</param>
internal readonly record struct SeedStatistics(double Mean, double Deviation, int Count)
{
    /// <summary>The statistics of fractions; null where there are none.</summary>
    public static SeedStatistics? Of(IReadOnlyCollection<double> fractions)
    {
        if (fractions.Count == 0)
            return null;
        var mean = fractions.Average();
        var squares = fractions.Sum(value => (value - mean) * (value - mean));
        var deviation = fractions.Count == 1 ? 0 : Math.Sqrt(squares / (fractions.Count - 1));
        return new(100 * mean, 100 * deviation, fractions.Count);
    }

    public override string ToString() => Count == 1
        ? Mean.ToString("0.0", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Mean:0.0} ± {Deviation:0.0}");
}
