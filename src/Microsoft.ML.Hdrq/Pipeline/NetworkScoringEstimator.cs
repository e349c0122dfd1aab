using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Applies a network to a column of images, in batches.</summary>
/// <remarks>
/// Input: known-size vectors of <see cref="float"/> with the shape of the network's input without the batch, such as
/// <c>Vector&lt;Single, 3, 224, 224&gt;</c> from <c>ExtractPixels</c>, or flat vectors of the same length. Output: the
/// score column, a known-size vector of <see cref="float"/>, and, if the network classifies images or their pixels, a
/// predicted label or mask: see <see cref="NetworkTransformer"/>. Fitting reads no data. Create it with
/// <see cref="HdrqCatalog.ApplyNetwork(TransformsCatalog, string, string?, Network)"/>.
/// </remarks>
public sealed class NetworkScoringEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly Network _network;

    /// <summary>The network's graph with the output that holds the scores alone.</summary>
    private readonly Graph _graph;
    private readonly ScoringSettings _settings;
    private readonly IReadOnlyList<string>? _classNames;
    private readonly ChannelNormalization? _normalization;
    private readonly int? _gpuDeviceId;
    private readonly bool? _fallbackToCpu;

    internal NetworkScoringEstimator(
        IHostEnvironment environment, string outputColumnName, string? inputColumnName, Network network,
        ScoringOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(options);
        InputColumn.CheckNetwork(network);
        _environment = environment;
        _outputColumnName = outputColumnName;
        _inputColumnName = string.IsNullOrEmpty(inputColumnName) ? outputColumnName : inputColumnName;
        _network = network;
        _graph = WithScores(network.Graph, options.Output);
        var settings = options.ToSettings(outputColumnName);
        _settings = settings with { Softmax = settings.Softmax && !Logits.AreHidden(_graph) };
        _classNames = options.ClassNames?.ToArray();
        _normalization = options.Normalization;
        _gpuDeviceId = options.GpuDeviceId;
        _fallbackToCpu = options.FallbackToCpu;
        if (_gpuDeviceId < 0)
        {
            throw Errors.Option(nameof(ScoringOptions.GpuDeviceId), _gpuDeviceId,
                $"{nameof(ScoringOptions.GpuDeviceId)} must not be negative.");
        }
        CheckNames(network);
        CheckNormalization(network);
    }

    /// <summary>Copies the network to the device that scores. Reads no data.</summary>
    /// <param name="input">Data with the input column.</param>
    /// <returns>The transformer; it owns its copy of the network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The input column is missing or does not fit, or an option does not fit the network.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The network cannot compute, or the requested GPU is not available.
    /// </exception>
    public NetworkTransformer Fit(IDataView input) => Fit(input, _network);

    /// <summary>Applies another network of the same graph.</summary>
    internal NetworkTransformer Fit(IDataView input, Network network)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var use = network.Use();
        using var channel = _environment.Register("ApplyNetwork").Start("Fit");
        using var modes = new TorchModes();
        var shape = InputColumn.RowShape(network.Graph.Inputs[0], InputColumn.Find(input.Schema, _inputColumnName));
        CheckNormalization(network);
        _ = ChannelAxis(shape);
        CheckNames(network);
        var device = CatalogEnvironment.Device(_environment, _gpuDeviceId, _fallbackToCpu);
        channel.Trace(MessageSensitivity.Schema,
            "Input column '{0}' with sizes {1}, {2} nodes, {3} parameters, batches of {4}.",
            _inputColumnName, TensorShape.Describe(shape), network.Graph.Nodes.Length, network.Graph.Parameters.Length,
            _settings.BatchSize);
        var transformer = new NetworkTransformer(
            Prepare(network, shape, device), null, _outputColumnName, _inputColumnName, _settings, input.Schema);
        if (FiniteCheck.NotFinite(network) is { } parameter)
        {
            channel.Warning(MessageSensitivity.Schema,
                "Column '{0}': parameter '{1}' of the network holds a value that is not finite; scores may be NaN.",
                _outputColumnName, parameter);
        }
        channel.Info(MessageSensitivity.Schema,
            "Column '{0}' will hold the scores of the network for column '{1}', computed on {2}.",
            _outputColumnName, _inputColumnName, device);
        channel.Info(MessageSensitivity.Schema, "Column '{0}': the network has {1}.", _outputColumnName,
            Statistics.Describe(network));
        return transformer;
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>
    /// The input's columns with the score column and, if the network classifies, the predicted label or mask.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The input column is missing, or is not a known-size vector of single.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SchemaShapes.CheckInput(inputSchema, _inputColumnName);
        var kind = Prediction.KindOf(_graph, _classNames ?? _network.ClassNames);
        return SchemaShapes.AddScores(inputSchema, _outputColumnName, kind, Prediction.Column(kind, _settings));
    }

    private Network Prepare(Network network, long[] shape, TorchSharp.torch.Device device)
    {
        using var chosen = network.Graph.Outputs.Length == 1
            ? null
            : ChooseOutput.Apply(network, _graph.Outputs[0].Name);
        network = chosen ?? network;
        using var normalized = _normalization is null
            ? null
            : PrependNormalization.Apply(
                network, _normalization.Mean.AsSpan(), _normalization.StandardDeviation.AsSpan(), ChannelAxis(shape));
        var prepared = (normalized ?? network).To(device);
        if (_classNames is not null)
            prepared.NameClasses(_classNames);
        if (_normalization is not null)
        {
            prepared.Metadata = prepared.Metadata.SetItem(
                NetworkMetadata.Normalization, _normalization.ToString());
        }
        return prepared;
    }

    private static Graph WithScores(Graph graph, string? output)
    {
        var names = string.Join(", ", graph.Outputs.Select(value => $"'{value.Name}'"));
        if (output is null)
        {
            return graph.Outputs.Length == 1 ? graph : throw Errors.Option(nameof(ScoringOptions.Output), output,
                $"{nameof(ScoringOptions.Output)} must name the output that holds the scores: the network has "
                + $"{graph.Outputs.Length} outputs ({names}).");
        }
        return graph.Outputs.Any(value => value.Name == output)
            ? ChooseOutput.Of(graph, output)
            : throw Errors.Option(nameof(ScoringOptions.Output), output,
                $"{nameof(ScoringOptions.Output)} is '{output}', and the network has {names}.");
    }

    private void CheckNames(Network network)
    {
        if ((_classNames ?? network.ClassNames) is { } names)
            Prediction.Check(_graph, network.ClassNames, names);
    }

    private void CheckNormalization(Network network)
    {
        if (_normalization is null)
            return;
        if (network.Metadata.TryGetValue(NetworkMetadata.Normalization, out var own))
        {
            throw Errors.Option(nameof(ScoringOptions.Normalization), _normalization,
                $"{nameof(ScoringOptions.Normalization)} must be left out, because the network normalizes its input "
                + $"itself ({own}).");
        }
        if (network.Graph.Inputs[0].Shape[1] is not TensorShape.Dynamic)
            _ = ChannelAxis(network.Graph.Inputs[0].Shape[1..]);
    }

    /// <summary>
    /// The dimension of the channels: the first after the batch, or the last of images if the network takes these with
    /// channels last.
    /// </summary>
    private int ChannelAxis(ReadOnlySpan<long> row)
    {
        if (_normalization is null || _normalization.Mean.Length == row[0])
            return 1;
        if (row.Length == 3 && _normalization.Mean.Length == row[2])
            return row.Length;
        throw Errors.Option(nameof(ScoringOptions.Normalization), _normalization.Mean.Length,
            $"{nameof(ScoringOptions.Normalization)} has {_normalization.Mean.Length} channels, "
            + $"and the network's input has {row[0]}.");
    }
}
