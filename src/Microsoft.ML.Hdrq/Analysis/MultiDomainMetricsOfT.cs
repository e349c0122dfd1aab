using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The metrics of one network in several domains.</summary>
/// <typeparam name="TMetrics">The metrics of one domain.</typeparam>
public sealed class MultiDomainMetrics<TMetrics>
{
    internal MultiDomainMetrics(IEnumerable<DomainMetrics<TMetrics>> domains)
    {
        Domains = [.. domains];
        var scores = Domains.Select(domain => domain.Score).ToArray();
        HarmonicMean = MultiDomainMetrics.HarmonicMean(scores);
        Mean = scores.Length == 0 ? double.NaN : scores.Average();
        Lowest = scores.Length == 0 ? double.NaN : scores.Min();
    }

    /// <summary>The domains, in the order in which they occur in the data.</summary>
    public ImmutableArray<DomainMetrics<TMetrics>> Domains { get; }

    /// <summary>The harmonic mean of the domains' scores, which is high only where all scores are high.</summary>
    /// <remarks>
    /// <c>D / sum_d 1 / score(d)</c>; 0 where a score is 0, NaN where one is NaN or there are no domains.
    /// </remarks>
    public double HarmonicMean { get; }

    /// <summary>The mean of the domains' scores; NaN where one is NaN or there are no domains.</summary>
    /// <remarks><c>1/D sum_d score(d)</c></remarks>
    public double Mean { get; }

    /// <summary>The lowest of the domains' scores; NaN where one is NaN or there are no domains.</summary>
    public double Lowest { get; }

    /// <summary>The metrics of a domain.</summary>
    /// <param name="domain">The domain's name.</param>
    /// <exception cref="KeyNotFoundException">There is no such domain.</exception>
    public TMetrics this[string domain] => Domains.FirstOrDefault(entry => entry.Domain == domain) is { } found
        ? found.Metrics
        : throw new KeyNotFoundException(
            $"There is no domain '{domain}', only {string.Join(", ", Domains.Select(entry => $"'{entry.Domain}'"))}.");
}
