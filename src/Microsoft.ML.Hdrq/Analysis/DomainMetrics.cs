namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How well a network does in one domain.</summary>
/// <typeparam name="TMetrics">The metrics.</typeparam>
public sealed class DomainMetrics<TMetrics>
{
    internal DomainMetrics(string domain, TMetrics metrics, double score)
    {
        Domain = domain;
        Metrics = metrics;
        Score = score;
    }

    /// <summary>The domain's name.</summary>
    public string Domain { get; }

    /// <summary>The metrics.</summary>
    public TMetrics Metrics { get; }

    /// <summary>
    /// The metric by which domains are compared: top-1 accuracy of classification, mean intersection over union of
    /// segmentation.
    /// </summary>
    public double Score { get; }
}
