using System.Globalization;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// The whole job: adapt the source network to each domain, quantize each network in every way that is asked for, merge
/// them, and measure every network.
/// </summary>
internal sealed class MergeJob
{
    /// <summary>Test images on which the values of activations are counted.</summary>
    private const int HistogramImages = 32;

    /// <summary>The share of training in the work on a network.</summary>
    private const double Trained = 0.95;

    /// <summary>Methods whose merged networks' answers are kept.</summary>
    private const int MostPredictions = 4;

    private readonly JobOptions _options;
    private readonly DomainNetworks _networks;
    private readonly NetworkShelf _shelf;
    private readonly ProgressBoard _board;
    private readonly ProgressBoard.Bar? _all;
    private readonly IReadOnlyList<string> _targets;
    private readonly IReadOnlyList<IReadOnlyList<string>> _merges;
    private readonly Action<ResultRow, ResultsDocument> _measured;
    private readonly CancellationToken _cancellationToken;
    private readonly SideBySide _workers;

    // Networks are made side by side: what follows is read and written under this.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _tests = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, ResultRow> _rows = [];
    private readonly SortedDictionary<int, (string Network, OnnxReport Report)> _reports = [];
    private int _reserved;
    private readonly List<Explanation> _explanations = [];
    private readonly List<(string Method, IReadOnlyList<SamplePrediction> Predictions)> _predictions = [];
    private (string Network, IReadOnlyList<QuantizerHistogram> Values) _histograms = ("", []);

    /// <summary>Prepares the job.</summary>
    /// <param name="networks">What makes and measures networks.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="plan">Which domains are served and merged.</param>
    /// <param name="shelf">Where networks are kept.</param>
    /// <param name="board">Where progress is shown.</param>
    /// <param name="measured">Told of a network that has been made or measured, and of the results so far.</param>
    /// <param name="cancellationToken">Ends the job; finished networks stay on the shelf.</param>
    public MergeJob(
        DomainNetworks networks, JobOptions options, MergePlan plan, NetworkShelf shelf, ProgressBoard board,
        Action<ResultRow, ResultsDocument> measured, CancellationToken cancellationToken)
    {
        (_networks, _options, _shelf, _board, _measured, _cancellationToken) =
            (networks, options, shelf, board, measured, cancellationToken);
        (_targets, _merges) = (plan.Targets, plan.Groups);
        _workers = SideBySide.Of(options, _targets.Count);
        _all = options.Comparison is null ? null : board.Add("All networks");
    }

    /// <summary>The file of an adapted network.</summary>
    /// <param name="pattern">What <c>--adapted</c> gives, with <c>{domain}</c> in place of the domain's name.</param>
    /// <param name="domain">The domain.</param>
    public static string AdaptedPath(string pattern, string domain) =>
        pattern.Replace("{domain}", domain, StringComparison.Ordinal);

    /// <summary>What ONNX Runtime makes of the quantized networks, in the order of the results.</summary>
    public IReadOnlyList<(string Network, OnnxReport Report)> Reports => [.. _reports.Values];

    /// <summary>What was found out about the networks of each method; empty where that was not asked for.</summary>
    public IReadOnlyList<Explanation> Explanations => _explanations;

    private ResultsDocument Document =>
        new()
        {
            Task = _networks.Task.Name,
            Rows = [.. _rows.Values.OrderBy(row => Enum.Parse<Stage>(row.Stage, ignoreCase: true))]
        };

    /// <summary>How many networks there will be.</summary>
    private int Count => 1 + (_options.LastStage < Stage.Adapted ? 0 : _targets.Count)
        + (_options.LastStage < Stage.Quantized ? 0 : _targets.Count * _options.Plans.Count)
        + (_options.LastStage < Stage.Merged ? 0
            : _merges.Count * (
                _options.Mergings.Count * _options.Plans.Count
                + _options.Mergings.Count(merging => !merging.IsForIntegers)));

    /// <summary>Does what is asked for.</summary>
    public ResultsDocument Run()
    {
        using var source =
            Make<FineTuningProgress>(
                "source", new ResultRow { Stage = "source", Method = "FP32", Network = "", Domains = [] },
                SourceIngredients(),
                // What is not merged has no Gram matrices.
                report => ((double)report.Step / report.Steps, Loss(report)), _networks.Source, Reserve(1),
                _cancellationToken);
        if (_options.LastStage < Stage.Adapted)
            return Document;
        using var adapted =
            new Family("fp32", new ResultRow { Stage = "adapted", Method = "FP32", Network = "", Domains = [] });
        var places = Reserve(_targets.Count);
        adapted.Add(_targets, _workers.Run(
            _targets, (domain, i, token) => Adapt(source, domain, places + i, token), _cancellationToken));
        Explain(adapted, source, null);
        Merge(adapted, source, _options.Mergings.Where(merging => !merging.IsForIntegers), _options.Seed);
        foreach (var plan in _options.LastStage < Stage.Quantized ? [] : _options.Plans)
        {
            using var quantized = Quantize(plan, source, adapted);
            Explain(quantized, source, adapted);
            CountValues(quantized, adapted);
            Merge(quantized, source, _options.Mergings, plan.Seed);
        }
        _all?.Complete();
        return Document;
    }

    private NetworkShelf.Item Adapt(
        NetworkShelf.Item source, string domain, int order, CancellationToken cancellationToken)
    {
        var row = new ResultRow
        {
            Stage = "adapted",
            Method = "FP32",
            Network = "",
            Domains = [],
            Domain = domain,
            Seed = _options.Adapted is null ? _options.Seed : null
        };
        if (_options.Adapted is null)
            return Make<FineTuningProgress>(
                $"adapted-{domain}", row,
                [source.Recipe, .. Images(domain), Seed(_options.Seed),
                .. _networks.ReadsLabels(domain) ? Array.Empty<string>() : ["without labels"],
                .. Training(_options.AdaptationEpochs, _options.AdaptationLearningRate),
                .. _options.Moments is null ? Array.Empty<string>() : [_options.Moments.ToString()]],
                State,
                (progress, checkpoints, token) =>
                    _networks.Adapt(source.Network, domain, progress, checkpoints, token),
                order, cancellationToken);
        var path = AdaptedPath(_options.Adapted, domain);
        return Make<FineTuningProgress>(
            $"adapted-{domain}", row, [.. File(path), Normalization], State, (_, _, _) => _networks.Read(path),
            order, cancellationToken);
    }

    private Family Quantize(QuantizationPlan plan, NetworkShelf.Item source, Family adapted)
    {
        var options = plan.For(source.Network);
        var quantized = new Family(plan.Name, new ResultRow
        {
            Stage = "quantized",
            Method = plan.Method,
            Network = "",
            Domains = [],
            WeightBits = plan.AverageBits is null ? options.WeightBits : null,
            AverageWeightBits = plan.AverageBits,
            ActivationBits = options.ActivationBits,
            Iterations = Iterations(options) is > 0 and var iterations ? iterations : null,
            Seed = plan.Seed,
        });
        try
        {
            // Bits that follow from images are the first domain's for all, as networks are merged only where bits
            // agree.
            var alone = plan.AverageBits is null ? 0 : 1;
            var places = Reserve(_targets.Count);
            foreach (var domains in new[] { _targets.Take(alone).ToList(), _targets.Skip(alone).ToList() })
            {
                var (begin, first) = (places + quantized.Networks.Count, quantized.Networks.Values.FirstOrDefault());
                quantized.Add(domains, _workers.Run(
                    domains, (domain, i, token) => Quantize(domain, first, begin + i, token), _cancellationToken));
            }
            return quantized;
        }
        catch
        {
            quantized.Dispose();
            throw;
        }

        NetworkShelf.Item Quantize(
            string domain, NetworkShelf.Item? first, int order, CancellationToken cancellationToken)
        {
            var own = first is null ? options
                : options with { BitBudget = null, Overrides = LayerOverride.Of(first.Network) };
            return Make<QuantizationProgress>(
                $"{plan.Name}-{domain}",
                quantized.Shared with { Domain = domain },
                [source.Recipe, adapted.Networks[domain].Recipe, .. Images(domain), options.ToString(), Rows(plan),
                    first?.Recipe ?? ""],
                State,
                (progress, checkpoints, token) =>
                    _networks.Quantize(
                        source.Network, adapted.Networks[domain].Network, domain, own, plan.Seed, progress,
                        checkpoints, token),
                order, cancellationToken);
        }
    }

    private void Merge(Family family, NetworkShelf.Item source, IEnumerable<MergingPlan> mergings, int seed)
    {
        if (_options.LastStage < Stage.Merged)
            return;
        var merges = (from merging in mergings from @group in _merges select (merging, @group)).ToList();
        var begin = Reserve(merges.Count);
        foreach (var merged in _workers.Run(
            merges, (merge, i, token) => Merge(family, source, merge.merging, merge.@group, seed, begin + i, token),
            _cancellationToken))
        {
            merged.Dispose();
        }
    }

    private NetworkShelf.Item Merge(
        Family family, NetworkShelf.Item source, MergingPlan merging, IReadOnlyList<string> group, int seed, int order,
        CancellationToken cancellationToken)
    {
        var parts = group.Select(domain => family.Networks[domain]).ToList();
        var suffix = merging == MergingPlan.Default ? "" : $"-{merging.Name}";
        var row = family.Shared with { Stage = "merged", Merged = group, Merging = merging.Name };
        var merged =
            Make<(double, string?)>($"{family.Name}-merged-{string.Join('+', group)}{suffix}", row,
            [.. parts.Select(part => part.Recipe), source.Recipe, merging.Name, Seed(seed),
                .. merging.NeedsImages ? group.SelectMany(_networks.TrainingImageFiles).SelectMany(File) : []],
            state => state,
            (progress, checkpoints, token) =>
            {
                var networks = parts.Select(part => part.Network).ToList();
                var options = merging.Options(source.Network, seed);
                return merging.NeedsImages
                    ? _networks.Merge(
                        networks, group, options, seed, checkpoints,
                        (done, remark) => progress.Report((done, remark)), token)
                    : _networks.Merge(networks, options);
            }, order, cancellationToken);
        Predict(merged.Network, family, group, merging, cancellationToken);
        return merged;
    }

    /// <summary>
    /// What a report shows besides results: merged networks' answers, and the values in the last quantized network of
    /// the first domain.
    /// </summary>
    public RunReport Report => new()
    {
        Task = _networks.Task,
        Domains = _networks.Domains,
        Results = Document,
        Explanations = _explanations,
        Histograms = _histograms.Values,
        HistogramNetwork = _histograms.Network,
        Predictions = _predictions,
        PictureKey = _networks.PictureKey,
    };

    /// <summary>Notes what merged networks say of test images: those that serve most domains.</summary>
    private void Predict(
        Network merged, Family family, IReadOnlyList<string> group, MergingPlan merging,
        CancellationToken cancellationToken)
    {
        // One network of a family, and one family at a time.
        if (_options.Output is not null && merging == _options.Mergings[0]
            && group == _merges.MaxBy(other => other.Count) && _predictions.Count < MostPredictions
            && _predictions.TrueForAll(entry => entry.Method != family.Shared.Method))
            _predictions.Add((family.Shared.Method, _networks.Predict(merged, group, cancellationToken)));
    }

    /// <summary>Notes the values that go into the quantizers of the first domain's network.</summary>
    private void CountValues(Family quantized, Family adapted)
    {
        if (_options.Output is null)
            return;
        var domain = _targets[0];
        _histograms =
            ($"{quantized.Name}-{domain}",
            _networks.Analyse(domain, [quantized.Networks[domain].Network, adapted.Networks[domain].Network],
            (catalog, data, columns) =>
                catalog.MeasureHistograms(
                    data, columns[0], columns[1],
                    rows: new()
                    {
                        MaxRows = HistogramImages,
                        Seed = _options.Seed,
                        CancellationToken = _cancellationToken
                    }), _cancellationToken));
    }

    /// <summary>Looks at the networks of one method, if that is asked for.</summary>
    private void Explain(Family family, NetworkShelf.Item source, Family? fullPrecision)
    {
        if (_options.Explanation is not { } options)
            return;
        var bar = _board.Add($"{family.Name}: looking at its networks");
        var explainer = new Explainer(_networks, options, _options.Seed, _cancellationToken);
        _explanations.Add(
            _shelf.Explanation(
                family.Name,
                [source.Recipe, options.ToString(), Seed(_options.Seed), .. Parts(family)
                .Concat(fullPrecision is null ? [] : Parts(fullPrecision)).Select(part => part.Value.Recipe),
                .. family.Networks.Keys.Select(Tests)],
            () => explainer.Explain(
                family.Name, family.Shared.Method, source.Network, Networks(family)!, Networks(fullPrecision), share =>
                    bar.Show(share, null))));
        bar.Complete();

        static IEnumerable<KeyValuePair<string, NetworkShelf.Item>> Parts(Family family) => family.Networks;

        static Dictionary<string, Network>? Networks(Family? family) =>
            family?.Networks.ToDictionary(part => part.Key, part => part.Value.Network);
    }

    /// <summary>
    /// Obtains a network, measures it, and notes the result by its number. In a comparison it is measured only where it
    /// is to serve.
    /// </summary>
    private NetworkShelf.Item Make<T>(
        string name, ResultRow row, IEnumerable<string> ingredients, Func<T, (double, string?)> state,
        Func<IProgress<T>, string?, CancellationToken, Network> make, int order, CancellationToken cancellationToken)
    {
        var bar = _board.Add(name);
        var file = FileNames.Of(name);
        var item = _shelf.Obtain(
            file, ingredients, checkpoints => make(bar.Reports(state), checkpoints, cancellationToken));
        bar.Show(1, "measuring");
        var domains = _options.Comparison is null ? _networks.Domains : row.Merged
            ?? (row.Domain is null ? _networks.Domains : [row.Domain]);
        var (scores, isMeasured) =
            _shelf.Scores(
                item, file, [_networks.Task.Name, .. domains.Select(Tests)], () =>
                    // Test images are read once for all, and so not ended with one.
                    _networks.Measure(item.Network, domains, _cancellationToken));
        var kernels = row.WeightBits is not null && _options.Comparison is null ? OnnxReport.Of(item.Network) : null;
        var isNew = item.IsNew || isMeasured;
        if (row is { WeightBits: not null, Merged: not null } && _options.Comparison is null
            && _options.Output is { } output
            && Path.Combine(output, $"{file}.zip") is var model && (isNew || !System.IO.File.Exists(model)))
        {
            _networks.SaveModel(item.Network, model);
            isNew = true;
        }
        bar.Complete();
        row = row with
        {
            Network = file,
            Domains = new(scores.Select(score => KeyValuePair.Create(score.Domain, score.Score))),
            Classes = scores.All(score => score.Classes is null) ? null
                : new(scores.Select(score => KeyValuePair.Create(score.Domain, score.Classes ?? []))),
            Bytes = item.Bytes,
            KeptSource = row is { Domain: not null, WeightBits: null }
                ? AdaptationReport.Of(item.Network)?.KeptSource : null,
            HarmonicMean = row.Merged is null ? null
                : HarmonicMean(row.Merged.Select(domain => scores.Single(score => score.Domain == domain).Score)),
        };
        lock (_lock)
        {
            _rows.Add(order, row);
            if (kernels is not null)
                _reports.Add(order, (name, kernels));
            _all?.Show((double)_rows.Count / Count,
                string.Create(CultureInfo.InvariantCulture, $"{_rows.Count} of {Count}"));
            // What was there already is in the file already: a job that goes on never makes it shorter.
            if (isNew)
                _measured(row, Document);
        }
        return item;
    }

    /// <summary>0 where one of the scores is.</summary>
    public static double HarmonicMean(IEnumerable<double> scores) => scores.Count() / scores.Sum(score => 1 / score);

    /// <summary>How far fine-tuning is.</summary>
    public static (double, string?) State(FineTuningProgress report) =>
        State((double)report.Step / report.Steps, Loss(report));

    private static string Loss(FineTuningProgress report) => string.Create(
        CultureInfo.InvariantCulture,
        $"loss {report.Loss:0.000}"
        + $"{(report.ValidationAccuracy is { } accuracy ? $", accuracy {accuracy:0.000} after epoch {report.Epoch}" : "")}");

    /// <summary>How far quantizing is.</summary>
    public static (double, string?) State(QuantizationProgress report) => State(
        (report.BlockIndex + (double)report.Step / report.Steps) / report.Blocks,
        string.Create(CultureInfo.InvariantCulture, $"loss {report.Loss:0.0000}"));

    /// <summary>After the last step of training, images are gone through once more, which nothing reports.</summary>
    private static (double, string?) State(double done, string remark) =>
        done < 1 ? (Trained * done, remark) : (Trained, "finishing (Gram matrices, for merging)");

    /// <summary>The steps for each block, or layer; null where nothing is trained.</summary>
    private static int? Iterations(QuantizationOptions options) => options switch
    {
        HdrqOptions hdrq => hdrq.Training.Iterations,
        AdaRoundOptions adaRound => adaRound.Training.Iterations,
        BrecqOptions brecq => brecq.Training.Iterations,
        QDropOptions qDrop => qDrop.Training.Iterations,
        _ => null,
    };

    private string Rows(QuantizationPlan plan) =>
        string.Create(CultureInfo.InvariantCulture, $"{_options.CalibrationImages} images, seed {plan.Seed}");

    private static string Seed(int seed) => string.Create(CultureInfo.InvariantCulture, $"seed {seed}");

    private string Normalization => _options.Normalization is { } normalization
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"{string.Join(' ', normalization.Mean)} {string.Join(' ', normalization.StandardDeviation)}") : "";

    private IEnumerable<string> Training(int? epochs, double? learningRate) =>
    [
        string.Create(
            CultureInfo.InvariantCulture,
            $"{epochs} epochs at {learningRate}"
            + $"{(_options.ValidationFraction is { } share ? $", validated on {share}" : "")}"),
    ];

    private IEnumerable<string> SourceIngredients()
    {
        IEnumerable<string> file = _options.Network is null ? [] : [.. File(_options.Network), Normalization];
        return _options is { Network: not null, NewHead: false } ? file
            : [.. file, .. Images(_networks.Domains[0]), Seed(_options.Seed), _options.Architecture ?? "",
                .. Training(_options.SourceEpochs, _options.SourceLearningRate),
                .. _options.HeadLearningRate is { } rate
                    ? [string.Create(CultureInfo.InvariantCulture, $"head at {rate}")] : Array.Empty<string>(),
                .. _options.HeadFeatures is { } features ? [$"head on {features}"] : Array.Empty<string>()];
    }

    private IEnumerable<string> Images(string domain) => _networks.TrainingFiles(domain).SelectMany(File);

    private string Tests(string domain)
    {
        lock (_lock)
        {
            if (!_tests.TryGetValue(domain, out var tests))
            {
                tests = string.Join('\n', _networks.TestFiles(domain).SelectMany(File).Prepend(domain));
                _tests.Add(domain, tests);
            }
            return tests;
        }
    }

    /// <summary>
    /// Numbers for networks, by which results are in the order in which they are asked for, whichever is made first.
    /// </summary>
    private int Reserve(int count) => (_reserved += count) - count;

    private static IEnumerable<string> File(string path)
    {
        var file = new FileInfo(path);
        return [file.FullName,
            string.Create(CultureInfo.InvariantCulture, $"{file.Length} bytes of {file.LastWriteTimeUtc:O}")];
    }

    /// <summary>The networks of one method, by domain.</summary>
    /// <param name="name">What the names of its networks begin with.</param>
    /// <param name="shared">What their rows share.</param>
    private sealed class Family(string name, ResultRow shared) : IDisposable
    {
        public string Name => name;

        public ResultRow Shared => shared;

        public Dictionary<string, NetworkShelf.Item> Networks { get; } = new(StringComparer.Ordinal);

        public void Add(IReadOnlyList<string> domains, IReadOnlyList<NetworkShelf.Item> networks)
        {
            foreach (var (domain, network) in domains.Zip(networks))
                Networks.Add(domain, network);
        }

        public void Dispose()
        {
            foreach (var item in Networks.Values)
                item.Dispose();
        }
    }
}
