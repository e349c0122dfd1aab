using System.Globalization;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Explanations;

/// <summary>
/// Looks at the networks of a method: curvature and distance of each, what lies between every two, and the sensitivity
/// of layers.
/// </summary>
/// <param name="networks">What has the images.</param>
/// <param name="options">How closely.</param>
/// <param name="seed">The seed of the choice of images and of random vectors.</param>
/// <param name="cancellationToken">Ends the work.</param>
internal sealed class Explainer(
    DomainNetworks networks, ExplanationOptions options, int seed, CancellationToken cancellationToken)
{
    /// <summary>Layers that the overrides to paste are for.</summary>
    private const int WorstLayers = 3;

    private AnalysisOptions Options => new()
    {
        Steps = options.Steps,
        Probes = options.Probes,
        PowerIterations = options.PowerIterations,
    };

    private RowOptions Rows => new() { MaxRows = options.Images, Seed = seed, CancellationToken = cancellationToken };

    /// <summary>Looks at a method.</summary>
    /// <param name="name">What the names of its networks begin with.</param>
    /// <param name="method">Its name in the results.</param>
    /// <param name="source">The network that all descend from.</param>
    /// <param name="parts">The method's networks by domain.</param>
    /// <param name="fullPrecision">
    /// The networks that these were quantized from; null where they are not quantized.
    /// </param>
    /// <param name="progress">Told of the share that is done.</param>
    public Explanation Explain(
        string name, string method, Network source, IReadOnlyDictionary<string, Network> parts,
        IReadOnlyDictionary<string, Network>? fullPrecision, Action<double> progress)
    {
        var domains = parts.Keys.ToList();
        var pairs = (from a in Enumerable.Range(0, domains.Count)
                     from b in Enumerable.Range(a + 1, domains.Count - a - 1)
                     select (From: domains[a], To: domains[b])).ToList();
        var (done, total) = (0, domains.Count + 2 * pairs.Count + (fullPrecision is null ? 0 : 1));
        var explained = new List<NetworkExplanation>();
        foreach (var domain in domains)
        {
            explained.Add(Profile(domain, parts[domain], source));
            progress((double)++done / total);
        }
        var lines = new List<LineExplanation>();
        foreach (var (from, to) in pairs)
        {
            foreach (var on in new[] { from, to })
            {
                lines.Add(Line(from, to, on, parts));
                progress((double)++done / total);
            }
        }
        var sensitivity = fullPrecision is null ? null : networks.Analyse(
            domains[0], [parts[domains[0]], fullPrecision[domains[0]]],
            (catalog, data, columns) => catalog.MeasureSensitivity(data, columns[0], columns[1], Options, Rows),
            cancellationToken);
        progress(1);
        return new Explanation
        {
            Name = name,
            Method = method,
            Networks = explained,
            Lines = lines,
            Layers = [.. (sensitivity?.Layers ?? []).Select(layer => Layer(layer, sensitivity!))],
            Images = sensitivity?.Images,
            Overrides = sensitivity?.OverridesCode(WorstLayers),
        };
    }

    private NetworkExplanation Profile(string domain, Network network, Network source)
    {
        var profile = networks.Analyse(
            domain, [network],
            (catalog, data, columns) => catalog.CompareNetworks(data, columns, Options with { Source = source }, Rows),
            cancellationToken).Networks[0];
        var (whole, distance) = (profile.Curvature.Whole, profile.Distance!);
        return new(
            domain, profile.Loss, profile.Accuracy, whole.Trace, Finite(whole.TraceStandardError),
            whole.LargestEigenvalue, distance.Distance, distance.Relative,
            new(profile.Curvature.Blocks.Select(block => KeyValuePair.Create(block.Name, block.Trace))));
    }

    private LineExplanation Line(string from, string to, string on, IReadOnlyDictionary<string, Network> parts)
    {
        var line = networks.Analyse(
            on, [parts[from], parts[to]],
            (catalog, data, columns) => catalog.InterpolateNetworks(
                data, columns, Options, Rows with { MaxRows = 2 * options.Images }),
            cancellationToken);
        return new(
            from, to, on, line.Barrier, line.AccuracyBarrier,
            [.. line.Points.Select(point => new LinePoint(point.Weights[1], point.Loss, point.Accuracy))]);
    }

    private static LayerExplanation Layer(LayerSensitivity layer, SensitivityReport report) => new(
        layer.Layer,
        string.Create(CultureInfo.InvariantCulture, $"W{layer.WeightBits ?? 32}A{layer.ActivationBits ?? 32}"),
        Finite(layer.SignalToNoise),
        layer.LossAlone - report.FullPrecisionLoss,
        report.QuantizedLoss - layer.LossWithout)
    {
        LossAloneError = Finite(layer.LossAloneStandardError),
        LossWithoutError = Finite(layer.LossWithoutStandardError),
    };

    /// <summary>The number; null where there is none to write to JSON.</summary>
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}
