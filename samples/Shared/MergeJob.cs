using System.Globalization;
using Hdrq.Samples.Results;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace Hdrq.Samples;

/// <summary>The whole job: adapt the source network to each domain, quantize each network, merge them, and measure every network in every domain.</summary>
internal sealed class MergeJob : IDisposable
{
    private readonly SampleOptions _options;
    private readonly DomainNetworks _networks;
    private readonly NetworkShelf _shelf;
    private readonly ProgressBoard _board;
    private readonly IReadOnlyList<string> _targets;
    private readonly IReadOnlyList<IReadOnlyList<string>> _merges;
    private readonly Action<ResultsDocument> _measured;
    private readonly CancellationToken _cancellationToken;
    private readonly List<ResultRow> _rows = [];
    private readonly List<NetworkShelf.Item> _made = [];
    private readonly List<(string Network, OnnxReport Report)> _reports = [];

    /// <summary>Prepares the job.</summary>
    /// <param name="networks">What makes and measures networks.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="shelf">Where networks are kept.</param>
    /// <param name="board">Where progress is shown.</param>
    /// <param name="measured">Told of the results so far whenever a network has been measured.</param>
    /// <param name="cancellationToken">Ends the job; finished networks stay on the shelf.</param>
    /// <exception cref="ArgumentException">A domain is unknown.</exception>
    public MergeJob(DomainNetworks networks, SampleOptions options, NetworkShelf shelf, ProgressBoard board, Action<ResultsDocument> measured, CancellationToken cancellationToken)
    {
        (_networks, _options, _shelf, _board, _measured, _cancellationToken) = (networks, options, shelf, board, measured, cancellationToken);
        _targets = MergePlan.Targets(networks.Domains, options.Domains);
        _merges = MergePlan.Groups(_targets, options.Merges);
    }

    private ResultsDocument Document => new() { Task = _networks.Task.Name, Rows = [.. _rows] };

    /// <summary>What ONNX Runtime makes of the quantized networks, in the order of the results.</summary>
    public IReadOnlyList<(string Network, OnnxReport Report)> Reports => _reports;

    /// <summary>Does what is asked for, stage by stage.</summary>
    public ResultsDocument Run()
    {
        var source = Make<FineTuningProgress>("source", new ResultRow { Stage = "source", Method = "FP32", Network = "", Domains = [] }, SourceIngredients(), State, _networks.Source);
        var families = new List<Family>();
        if (_options.LastStage >= Stage.Adapted)
            families.Add(new(new ResultRow { Stage = "adapted", Method = "FP32", Network = "", Domains = [] }, _targets.ToDictionary(domain => domain, domain => Adapt(source, domain))));
        if (_options.LastStage >= Stage.Quantized)
        {
            families.Add(Quantize("RTN", _options.Quantization with { Iterations = 0 }, source, families[0]));
            families.Add(Quantize("HDRQ", _options.Quantization, source, families[0]));
        }
        if (_options.LastStage >= Stage.Merged)
        {
            foreach (var family in families)
            {
                foreach (var group in _merges)
                    Merge(family, group);
            }
        }
        return Document;
    }

    public void Dispose() => _made.ForEach(item => item.Dispose());

    private NetworkShelf.Item Adapt(NetworkShelf.Item source, string domain)
    {
        var row = new ResultRow { Stage = "adapted", Method = "FP32", Network = "", Domains = [], Domain = domain, Seed = _options.Adapted is null ? _options.Seed : null };
        if (_options.Adapted is null)
            return Make<FineTuningProgress>($"adapted-{domain}", row, [source.Recipe, .. Images(domain), Seed], State, (progress, token) => _networks.Adapt(source.Network, domain, progress, token));
        var path = _options.Adapted.Replace("{domain}", domain, StringComparison.Ordinal);
        return Make<FineTuningProgress>($"adapted-{domain}", row, [.. File(path), Normalization], State, (_, _) => _networks.Read(path));
    }

    private Family Quantize(string method, HdrqQuantizationEstimator.Options settings, NetworkShelf.Item source, Family adapted)
    {
        var shared = new ResultRow
        {
            Stage = "quantized",
            Method = method,
            Network = "",
            Domains = [],
            WeightBits = settings.WeightBits,
            ActivationBits = settings.ActivationBits,
            Iterations = settings.Iterations > 0 ? settings.Iterations : null,
            Seed = _options.Seed,
        };
        return new(shared, _targets.ToDictionary(domain => domain, domain => Make<QuantizationProgress>(
            $"{FileStem(shared)}-{domain}",
            shared with { Domain = domain },
            [source.Recipe, adapted.Networks[domain].Recipe, .. Images(domain), Seed, settings.ToString()],
            report => ((report.BlockIndex + (double)report.Step / report.Steps) / report.Blocks, string.Create(CultureInfo.InvariantCulture, $"loss {report.Loss:0.0000}")),
            (progress, token) => _networks.Quantize(source.Network, adapted.Networks[domain].Network, domain, settings, progress, token))));
    }

    private void Merge(Family family, IReadOnlyList<string> group)
    {
        var parts = group.Select(domain => family.Networks[domain]).ToList();
        Make<int>($"{FileStem(family.Shared)}-merged-{string.Join('+', group)}", family.Shared with { Stage = "merged", Merged = group }, parts.Select(part => part.Recipe), _ => (0, null),
            (_, _) => _networks.Merge([.. parts.Select(part => part.Network)]));
    }

    /// <summary>Obtains a network, measures it, and notes the result.</summary>
    private NetworkShelf.Item Make<T>(string name, ResultRow row, IEnumerable<string> ingredients, Func<T, (double, string?)> state, Func<IProgress<T>, CancellationToken, Network> make)
    {
        var bar = _board.Add(name);
        var item = _shelf.Obtain(name, ingredients, () => make(bar.Reports(state), _cancellationToken));
        _made.Add(item);
        var scores = new OrderedDictionary<string, double>();
        bar.Remark("measuring");
        foreach (var (domain, score) in _networks.Measure(item.Network, _cancellationToken))
            scores.Add(domain, score);
        if (row.WeightBits is not null)
            _reports.Add((name, OnnxReport.Of(item.Network)));
        bar.Complete();
        _rows.Add(row with { Network = name, Domains = scores, Bytes = item.Bytes, HarmonicMean = row.Merged is null ? null : HarmonicMean(row.Merged.Select(domain => scores[domain])) });
        _measured(Document);
        return item;
    }

    /// <summary>0 where one of the scores is.</summary>
    private static double HarmonicMean(IEnumerable<double> scores) => scores.Count() / scores.Sum(score => 1 / score);

    private static (double, string?) State(FineTuningProgress report) => ((double)report.Step / report.Steps, string.Create(CultureInfo.InvariantCulture, $"loss {report.Loss:0.000}"));

    private static string FileStem(ResultRow row) => row.WeightBits is null ? row.Method.ToLowerInvariant() : string.Create(CultureInfo.InvariantCulture, $"{row.Method.ToLowerInvariant()}-w{row.WeightBits}a{row.ActivationBits}");

    private string Seed => string.Create(CultureInfo.InvariantCulture, $"seed {_options.Seed}");

    private string Normalization => _options.Normalization is { } normalization ? string.Create(CultureInfo.InvariantCulture, $"{string.Join(' ', normalization.Mean)} {string.Join(' ', normalization.StandardDeviation)}") : "";

    private IEnumerable<string> SourceIngredients() => _options.Network is null ? [.. Images(_networks.Domains[0]), Seed] : [.. File(_options.Network), Normalization];

    private IEnumerable<string> Images(string domain) => _networks.TrainingFiles(domain).SelectMany(File);

    private static IEnumerable<string> File(string path)
    {
        var file = new FileInfo(path);
        return [file.FullName, string.Create(CultureInfo.InvariantCulture, $"{file.Length} bytes of {file.LastWriteTimeUtc:O}")];
    }

    /// <summary>The networks of one method, by domain.</summary>
    /// <param name="Shared">What their rows share.</param>
    /// <param name="Networks">The networks.</param>
    private sealed record Family(ResultRow Shared, Dictionary<string, NetworkShelf.Item> Networks);
}
