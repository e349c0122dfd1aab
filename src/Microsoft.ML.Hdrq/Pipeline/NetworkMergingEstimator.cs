using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Merges networks with the same graph into one. It reads data only to search their weights, or where it is given rows
/// of their places. See <see cref="NetworkMerger"/>.
/// </summary>
/// <remarks>
/// It merges the networks behind score columns of the same pipeline, or given networks, such as ONNX files of other
/// sites. Create it with <see cref="HdrqCatalog.MergeNetworks(TransformsCatalog, string, string[])"/>.
/// </remarks>
public sealed class NetworkMergingEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _outputColumnName;
    private readonly ImmutableArray<string> _columnNames;
    private readonly ImmutableArray<Network> _networks;
    private readonly ImmutableArray<string> _files = [];
    private readonly MergeOptions _options;
    private readonly NetworkScoringEstimator? _scoring;
    private readonly MergeWeightSearch? _search;
    private readonly MergeRows? _rows;
    private readonly string? _inputColumnName;

    /// <summary>Merges the networks behind score columns.</summary>
    internal NetworkMergingEstimator(
        IHostEnvironment environment, string outputColumnName, IReadOnlyList<string> columnNames, MergeOptions options,
        MergeWeightSearch? search, MergeRows? rows)
        : this(environment, outputColumnName, options, search, rows)
    {
        ArgumentNullException.ThrowIfNull(columnNames);
        if (columnNames.Count < 2)
        {
            throw new ArgumentException(
                $"There are {columnNames.Count} score columns to merge; it takes at least 2.", nameof(columnNames));
        }
        _ = options.Shares(columnNames.Count);
        rows?.Check(columnNames.Count);
        _columnNames = [.. columnNames];
        _networks = [];
    }

    /// <summary>Merges given networks, and applies the result to a column.</summary>
    internal NetworkMergingEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, IReadOnlyList<Network> networks,
        MergeOptions options, ScoringOptions scoring, MergeWeightSearch? search, MergeRows? rows)
        : this(environment, outputColumnName, options, search, rows)
    {
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(networks);
        ArgumentNullException.ThrowIfNull(scoring);
        if (networks.Count == 0)
        {
            throw new ArgumentException(
                $"There is nothing to merge '{inputColumnName}' with: it takes at least 2 score columns, or a column "
                + "of pixels and at least 2 networks.",
                nameof(networks));
        }
        if (networks.Count < 2)
        {
            throw new ArgumentException(
                $"There are {networks.Count} networks to merge; it takes at least 2.", nameof(networks));
        }
        _ = options.Shares(networks.Count);
        rows?.Check(networks.Count);
        foreach (var network in networks)
            InputColumn.CheckNetwork(network);
        _columnNames = [];
        _networks = [.. networks];
        _inputColumnName = inputColumnName;
        var common = NetworkMerger.Check(networks, options);
        var names = scoring.ClassNames ?? common;
        _scoring = new NetworkScoringEstimator(
            environment, outputColumnName, inputColumnName, networks[0], scoring with { ClassNames = names });
    }

    /// <summary>Merges networks of files, and applies the result to a column.</summary>
    internal NetworkMergingEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, IReadOnlyList<string> files,
        MergeOptions options, ScoringOptions scoring)
        : this(environment, outputColumnName, options, search: null, rows: null)
    {
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        NetworkMerger.CheckFiles(files, options);
        (_columnNames, _networks, _files, _inputColumnName) = ([], [], [.. files], inputColumnName);
        // Only its inputs and outputs are looked at; they are those of all.
        var first = Network.LoadOnnx(files[0]);
        InputColumn.CheckNetwork(first);
        _scoring = new NetworkScoringEstimator(
            environment, outputColumnName, inputColumnName, first,
            scoring with { ClassNames = scoring.ClassNames ?? first.ClassNames });
    }

    private NetworkMergingEstimator(
        IHostEnvironment environment, string outputColumnName, MergeOptions options, MergeWeightSearch? search,
        MergeRows? rows)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        _environment = environment;
        _outputColumnName = outputColumnName;
        search?.Check();
        options.Check();
        (_options, _search, _rows) = (options, search, rows);
    }

    /// <summary>Merges the networks. Reads data only if weights are searched, or where rows are given.</summary>
    /// <param name="input">
    /// Data with the score columns, or with the input column of given networks, and with the columns that are read.
    /// </param>
    /// <returns>The transformer; it owns the merged network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing, has no network, or does not fit; or an option is out of range.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The networks cannot be merged; the message names the first difference.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows of a domain, a row cannot be read, the GPU is not available, or a loss is no longer finite.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was changed.</exception>
    public NetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var host = _environment.Register("MergeNetworks");
        using var channel = host.Start("Fit");
        using var modes = new TorchModes(threads: _rows?.Rows.Threads);
        if (_scoring is not null)
        {
            using var fromElsewhere = _files.IsEmpty
                ? Merge(_networks, input, _inputColumnName!, host, channel)
                : NetworkMerger.MergeFiles(_files, _options);
            return _scoring.Fit(input, fromElsewhere);
        }
        var annotations = _columnNames.Select(name => TrainingHost.Network(input.Schema, name)).ToList();
        var first = annotations[0];
        if (annotations.Find(annotation => annotation.InputColumnName != first.InputColumnName) is { } other)
        {
            throw new ArgumentException(
                "The networks to merge are applied to different columns, "
                + $"'{first.InputColumnName}' and '{other.InputColumnName}'.",
                nameof(input));
        }
        var merged = Merge(
            [.. annotations.Select(annotation => annotation.Network)], input, first.InputColumnName, host, channel);
        return new NetworkTransformer(
            merged, first.Source, _outputColumnName, first.InputColumnName, first.Settings, input.Schema);
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>
    /// The input's columns with the score column and, if the networks classify, the predicted label or mask.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return _scoring is null
            ? SchemaShapes.AddScoresLike(inputSchema, _outputColumnName, _columnNames[0])
            : _scoring.GetOutputSchema(inputSchema);
    }

    private Network Merge(
        IReadOnlyList<Network> networks, IDataView data, string inputColumnName, IHost host, IChannel channel)
    {
        var options = _options;
        using var uses = Network.UseAll(networks);
        // Given networks were checked when they were given; these have columns for names.
        if (!_columnNames.IsEmpty)
            NetworkMerger.Check(networks, options, _columnNames);
        if (_search is not null)
        {
            var seed = TrainingHost.Seed(host, _search.Seed);
            options = _options with { NetworkWeights = _search.Find(networks, _options, data, inputColumnName, seed) };
        }
        var merged = _rows is null
            ? NetworkMerger.Merge(networks, options)
            : MergeOnRows(networks, options, data, inputColumnName, TrainingHost.Seed(host, _rows.Rows.Seed));
        channel.Info(MessageSensitivity.Schema,
            "Column '{0}': merged {1} networks.", _outputColumnName, networks.Count);
        return merged;
    }

    private Network MergeOnRows(
        IReadOnlyList<Network> networks, MergeOptions options, IDataView data, string inputColumnName, int seed)
    {
        var device = CatalogEnvironment.Device(_environment, _rows!.Rows.GpuDeviceId, _rows.Rows.FallbackToCpu);
        var rows = _rows.Read(networks[0], data, inputColumnName, seed);
        var copies = new List<Network>();
        try
        {
            copies.AddRange(networks.Select(network => network.To(device)));
            return NetworkMerger.Merge(
                copies, [.. rows.Select(domain => domain.Images)], options, seed, _rows.Progress,
                _rows.Rows.CancellationToken);
        }
        finally
        {
            copies.ForEach(network => network.Dispose());
            foreach (var domain in rows)
                domain.Dispose();
        }
    }
}
