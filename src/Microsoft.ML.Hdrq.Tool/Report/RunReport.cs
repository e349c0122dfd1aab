using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>All that a report shows of a run.</summary>
internal sealed record RunReport
{
    /// <summary>What was measured.</summary>
    public required VisionTask Task { get; init; }

    /// <summary>The domains, in order.</summary>
    public required IReadOnlyList<string> Domains { get; init; }

    /// <summary>The results.</summary>
    public required ResultsDocument Results { get; init; }

    /// <summary>What was found out about the networks of each method; empty where that was not asked for.</summary>
    public IReadOnlyList<Explanation> Explanations { get; init; } = [];

    /// <summary>The histograms of one network's quantizers; empty where nothing was quantized.</summary>
    public IReadOnlyList<QuantizerHistogram> Histograms { get; init; } = [];

    /// <summary>The name of the network that the histograms are of.</summary>
    public string HistogramNetwork { get; init; } = "";

    /// <summary>What merged networks say of test images, by method.</summary>
    public IReadOnlyList<(string Method, IReadOnlyList<SamplePrediction> Predictions)> Predictions { get; init; } = [];

    /// <summary>What the colours of predicted pictures mean, as CSS; empty where predictions are no pictures.</summary>
    public IReadOnlyList<(string Name, string Colour)> PictureKey { get; init; } = [];
}
