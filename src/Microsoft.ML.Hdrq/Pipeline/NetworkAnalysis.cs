using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Analyses the networks behind score columns, on the labelled rows of their data, for the extension methods of
/// <see cref="HdrqAnalysisCatalog"/>.
/// </summary>
internal sealed class NetworkAnalysis : IDisposable
{
    /// <summary>The maximum number of rows if the options do not set it.</summary>
    private const int DefaultRows = 512;

    private readonly AnalysisOptions _options;
    private readonly CancellationToken _cancellationToken;
    private readonly torch.Device _device;
    private readonly int _seed;
    private readonly ImmutableArray<(string Name, NetworkAnnotation Annotation)> _columns;
    private readonly DomainRows _rows;
    private readonly torch.Tensor _labels;
    private readonly Evaluation _evaluation;
    private readonly List<Network> _copies = [];

    /// <summary>Reads the rows, and analyses the networks.</summary>
    /// <param name="environment">The environment.</param>
    /// <param name="data">The data.</param>
    /// <param name="columnNames">The score columns of the networks.</param>
    /// <param name="options">The options of the analysis.</param>
    /// <param name="rows">Which rows to read.</param>
    /// <param name="measure">What to measure.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or a column is missing or has the wrong type.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The networks are applied to different columns, their classes have different names, or a weight is not finite.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a row cannot be used, the GPU is not available, or what a network computes is not finite.
    /// </exception>
    public static T Run<T>(
        IHostEnvironment environment, IDataView data, IReadOnlyList<string> columnNames, AnalysisOptions options,
        RowOptions rows, Func<NetworkAnalysis, T> measure)
    {
        ArgumentNullException.ThrowIfNull(rows);
        rows.Check(readsLabels: true);
        using var modes = new TorchModes(threads: rows.Threads);
        using var analysis = new NetworkAnalysis(environment, data, columnNames, options, rows);
        using var uses = Network.UseAll(
            [.. analysis._columns.Select(column => column.Annotation.Network), options.Source]);
        return measure(analysis);
    }

    private NetworkAnalysis(
        IHostEnvironment environment, IDataView data, IReadOnlyList<string> columnNames, AnalysisOptions options,
        RowOptions rows)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(columnNames);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _options = options;
        _cancellationToken = rows.CancellationToken;
        var host = environment.Register("NetworkAnalysis");
        _device = CatalogEnvironment.Device(environment, rows.GpuDeviceId, rows.FallbackToCpu);
        _seed = TrainingHost.Seed(host, rows.Seed);
        _columns = [.. columnNames.Select(name => (name, TrainingHost.Network(data.Schema, name)))];
        var first = _columns[0].Annotation;
        if (_columns.FirstOrDefault(column => column.Annotation.InputColumnName != first.InputColumnName)
            is { Annotation: { } other })
        {
            throw new ArgumentException(
                "The networks are applied to different columns, "
                + $"'{first.InputColumnName}' and '{other.InputColumnName}'.",
                nameof(data));
        }
        var shape = InputColumn.RowShape(
            first.Network.Graph.Inputs[0], InputColumn.Find(data.Schema, first.InputColumnName));
        var isSegmenter = Prediction.KindOf(first.Network) == PredictionKind.Mask;
        var names = ClassNameList.Common([.. _columns.Select(column => column.Annotation.Network)]);
        var label = TrainingHost.Label(data.Schema, rows, columnNames[0], isSegmenter ? shape[1..] : null, names);
        var sample = new RowSample(rows.MaxRows ?? DefaultRows, _seed);
        _rows = DomainRows.Read(
            data, first.InputColumnName, shape, label, rows.DomainColumnName, rows.Domain, sample, _cancellationToken);
        _labels = isSegmenter
            ? Numbers(_rows.Labels!, rows.IgnoredLabel)
            : _rows.Labels!.alias().DetachFromDisposeScope();
        _evaluation = new Evaluation(_rows.Images, _labels, options.BatchSize);
    }

    /// <summary>Measures mixtures of all columns' networks.</summary>
    public InterpolationReport Interpolate() =>
        Interpolation.Measure(
            Networks(), _evaluation, _options.Steps, _options.Method, _options.Progress, _cancellationToken);

    /// <summary>Measures the curvature of the first column's network.</summary>
    public CurvatureReport Curvature() =>
        Hdrq.Analysis.Curvature.Measure(
            Networks()[0].Network, _evaluation, _options, _seed, _options.Progress, _cancellationToken);

    /// <summary>
    /// Measures the layers of the first column's network, which was quantized from the second column's.
    /// </summary>
    public SensitivityReport Sensitivity()
    {
        var networks = Networks();
        return Hdrq.Analysis.Sensitivity.Measure(
            networks[1].Network, networks[0].Network, _evaluation, _options.Progress, _cancellationToken);
    }

    /// <summary>
    /// Counts the input values of the quantizers of the first column's network, which was quantized from the second
    /// column's.
    /// </summary>
    public ImmutableArray<QuantizerHistogram> Histograms()
    {
        var networks = Networks();
        return Hdrq.Analysis.Histograms.Measure(
            networks[1].Network, networks[0].Network, _evaluation, _cancellationToken);
    }

    /// <summary>Compares all columns' networks.</summary>
    public NetworkComparison Compare()
    {
        var networks = Networks();
        var pairs = (from a in Enumerable.Range(0, networks.Length)
                     from b in Enumerable.Range(a + 1, networks.Length - a - 1)
                     where networks[a].Network.Graph.Equals(networks[b].Network.Graph)
                     select (First: networks[a], Second: networks[b])).ToList();
        var progress = new Stages(_options.Progress, networks.Length + pairs.Count);
        var profiles = networks.Select((network, n) =>
        {
            var (loss, accuracy) = _evaluation.Measure(network.Network, null, null, _cancellationToken);
            var curvature = Hdrq.Analysis.Curvature.Measure(
                network.Network, _evaluation, _options, _seed, progress.Next(), _cancellationToken);
            return new NetworkProfile(network.Name, loss, accuracy, curvature, Distance(n));
        }).ToImmutableArray();
        var lines = pairs
            .Select(pair => Interpolation.Measure(
                [pair.First, pair.Second], _evaluation, _options.Steps, _options.Method, progress.Next(),
                _cancellationToken))
            .ToImmutableArray();
        return new NetworkComparison(profiles, lines);
    }

    public void Dispose()
    {
        _rows.Dispose();
        _labels.Dispose();
        _copies.ForEach(copy => copy.Dispose());
    }

    /// <summary>Converts the classes of masks to the integers that a loss takes.</summary>
    private static torch.Tensor Numbers(torch.Tensor masks, byte ignored)
    {
        using var scope = torch.NewDisposeScope();
        return masks.to(torch.ScalarType.Int64)
            .masked_fill_(masks.eq(Scalars.Keep(ignored)), Scalars.Keep(Evaluation.Ignored))
            .DetachFromDisposeScope();
    }

    private DistanceReport? Distance(int column)
    {
        var annotation = _columns[column].Annotation;
        var source = _options.Source ?? annotation.Ancestor;
        return source is null ? null : NetworkDistance.Measure(annotation.Network, source);
    }

    /// <summary>Copies the networks to the device; losses take logits.</summary>
    private ImmutableArray<(string Name, Network Network)> Networks() =>
    [
        .. _columns.Select(column =>
        {
            var copy = Logits.Copy(column.Annotation.Network, _device);
            _copies.Add(copy);
            FiniteCheck.Parameters(copy, $"the network of column '{column.Name}'");
            return (column.Name, copy);
        }),
    ];

    /// <summary>
    /// Reports the progress of several analyses of equal weight as that of one, in thousandths of each.
    /// </summary>
    private sealed class Stages(IProgress<AnalysisProgress>? progress, int count)
    {
        private const int Parts = 1000;
        private int _stage = -1;

        public Stage? Next()
        {
            var stage = ++_stage;
            return progress is null ? null : new Stage(report => progress.Report(new AnalysisProgress(
                stage * Parts + (int)((long)report.Done * Parts / report.Total), count * Parts)));
        }
    }

    private sealed class Stage(Action<AnalysisProgress> report) : IProgress<AnalysisProgress>
    {
        public void Report(AnalysisProgress value) => report(value);
    }
}
