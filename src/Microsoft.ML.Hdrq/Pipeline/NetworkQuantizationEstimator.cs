using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Quantizes a network on the unlabelled images of a domain, by one of the methods of <see cref="QuantizationMethod"/>.</summary>
/// <remarks>
/// Starts from the score column of another step and reads that step's input column. But for rounding to nearest, blocks of the network are trained one after the other to give, quantized,
/// what they give in full precision. The result, a <see cref="NetworkTransformer"/>, scores with integer kernels on a CPU if all of it
/// computes on integers, and else in simulation: in floating point, on the grid of the integers; see <see cref="ScoringEngineKind"/>. Create it with
/// <see cref="HdrqCatalog.QuantizeNetwork(TransformsCatalog, string, string, Options)"/>.
/// </remarks>
public class NetworkQuantizationEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly QuantizationOptions _options;

    internal NetworkQuantizationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, QuantizationOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _environment = environment;
        _outputColumnName = outputColumnName;
        _inputColumnName = inputColumnName;
        _options = options;
    }

    /// <summary>Quantizes a copy of the network.</summary>
    /// <param name="input">Data with the score column of the network, its input column, and the domain column.</param>
    /// <returns>The transformer; it owns the quantized network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    /// <exception cref="ArgumentException">The source network is not of the network's graph; the message names the first difference. Or the weights do not fit into the size that is asked for.</exception>
    /// <exception cref="InvalidOperationException">There are no rows of the domain, a row has values that are not numbers, the GPU is not there, or the accuracy falls by more than is allowed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was changed.</exception>
    public NetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var host = _environment.Register("QuantizeNetwork");
        using var channel = host.Start("Fit");
        var annotation = TrainingHost.Network(input.Schema, _inputColumnName);
        var shape = InputColumn.RowShape(annotation.Network.Graph.Inputs[0], InputColumn.Find(input.Schema, annotation.InputColumnName));
        TrainingHost.CheckCrop(annotation.Network, shape, _options.CropSize);
        var device = CatalogEnvironment.Device(_environment, _options.GpuDeviceId, _options.FallbackToCpu);
        var source = _options.Source ?? (ReferenceEquals(annotation.Source, annotation.Network) ? null : annotation.Source);
        var settings = _options.ToSettings();
        if (source is null && settings.NeedsSource)
            channel.Warning(MessageSensitivity.Schema, "Column '{0}': no source network is known, so the distance term is 0. Start from AdaptNetwork, or set {1}.", _outputColumnName, nameof(Options.Source));
        var seed = TrainingHost.Seed(host, _options.Seed);
        using var rows = DomainRows.Read(input, annotation.InputColumnName, shape, label: null, _options.DomainColumnName, _options.Domain, new RowSample(_options.CalibrationImages, seed, _options.CropSize), _options.CancellationToken);
        channel.Info(MessageSensitivity.Schema, "Column '{0}': quantizing the network of '{1}' to W{2}A{3} by {4} on {5} images{6}, {7} steps a block, on {8}.",
            _outputColumnName, _inputColumnName, _options.WeightBits, _options.ActivationBits, settings.Method, rows.Images.shape[0], _options.Domain is null ? "" : $" of '{_options.Domain}'", settings.Reconstruction?.Iterations ?? 0, device);
        using var network = annotation.Network.To(device);
        using var images = _options.KeepCalibrationOnDevice ? rows.Images.to(device) : rows.Images.alias();
        if (_options.TargetSize is not null || _options.MaxAccuracyDrop is not null)
            settings = settings with { Overrides = ChooseBits(network, source, images, settings, channel) };
        var quantized = NetworkQuantizer.Quantize(network, source, images, settings, seed, _options.Progress, _options.CancellationToken);
        return new NetworkTransformer(quantized, annotation.Source, _outputColumnName, annotation.InputColumnName, annotation.Settings, input.Schema);
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>The input's columns with the score column and the predicted label or mask.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The score column to start from is missing.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return SchemaShapes.AddScoresLike(inputSchema, _outputColumnName, _inputColumnName);
    }

    private IReadOnlyList<LayerOverride> ChooseBits(Network network, Network? source, torch.Tensor images, QuantizationSettings settings, IChannel channel)
    {
        using var here = source?.To(network.Device);
        var precision = new MixedPrecision(network, here, images, settings, _options.Allocation, _options.CancellationToken);
        var overrides = _options.TargetSize is { } size ? precision.WithinSize(size) : precision.WithinDrop(_options.MaxAccuracyDrop!.Value);
        channel.Info(MessageSensitivity.Schema, "Column '{0}': bits of layers: {1}.", _outputColumnName, string.Join(", ", overrides));
        return overrides;
    }

    /// <summary>How a network is quantized, and by which method.</summary>
    public sealed record Options : QuantizationOptions
    {
        /// <summary>The method.</summary>
        public required QuantizationMethod Method { get; init; }

        private protected override QuantizationMethod UsedMethod => Method;

        /// <summary>
        /// The settings with which the paper compares methods, those of <see cref="HdrqQuantizationEstimator.Options.Paper"/>: quantizers where it puts them, one scale for a weight and each network's own, 20,000 steps a block.
        /// </summary>
        /// <param name="method">The method.</param>
        /// <returns>The options; <c>Paper(QuantizationMethod.QDrop) with { WeightBits = 4, ActivationBits = 4 }</c>.</returns>
        public static Options Paper(QuantizationMethod method) => (Options)new Options { Method = method }.WithPaperSettings();
    }
}
