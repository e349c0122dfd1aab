using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Quantizes a network on the unlabelled images of a domain, by one of the methods of <see cref="QuantizationMethod"/>.</summary>
/// <remarks>
/// But for rounding to nearest, blocks of the network are trained one after the other to give, quantized,
/// what they give in full precision. The result, a <see cref="NetworkTransformer"/>, scores with integer kernels on a CPU if all of it
/// computes on integers, and else in simulation: in floating point, on the grid of the integers; see <see cref="ScoringEngineKind"/>. Create it with
/// <see cref="HdrqCatalog.QuantizeNetwork(TransformsCatalog, string, string, Options)"/>.
/// </remarks>
public class NetworkQuantizationEstimator : NetworkTrainingEstimator
{
    private readonly QuantizationOptions _options;

    internal NetworkQuantizationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, QuantizationOptions options)
        : base(environment, "QuantizeNetwork", outputColumnName, inputColumnName, options) => _options = options;

    private protected override Network Train(Start start)
    {
        var annotation = start.Annotation;
        TrainingHost.CheckCrop(annotation.Network, start.RowShape, _options.CropSize);
        var source = _options.Source ?? annotation.Ancestor;
        var settings = _options.ToSettings();
        if (source is null && settings.NeedsSource)
            start.Channel.Warning(MessageSensitivity.Schema, "Column '{0}': no source network is known, so the distance term is 0. Start from AdaptNetwork, or set {1}.", start.OutputColumnName, nameof(Options.Source));
        var seed = TrainingHost.Seed(start.Host, _options.Seed);
        using var rows = start.Read(_options, label: null, new RowSample(_options.CalibrationImages, seed, _options.CropSize));
        start.Channel.Info(MessageSensitivity.Schema, "Column '{0}': quantizing the network of '{1}' to W{2}A{3} by {4} on {5} images{6}, {7} steps a block, on {8}.",
            start.OutputColumnName, start.InputColumnName, _options.WeightBits, _options.ActivationBits, settings.Method, rows.Images.shape[0], Start.Of(_options), settings.Reconstruction?.Iterations ?? 0, start.Device);
        using var network = annotation.Network.To(start.Device);
        using var images = _options.KeepCalibrationOnDevice ? rows.Images.to(start.Device) : rows.Images.alias();
        if (_options.TargetSize is not null || _options.MaxAccuracyDrop is not null)
        {
            settings = settings with { Overrides = ChooseBits(network, source, images, settings) };
            start.Channel.Info(MessageSensitivity.Schema, "Column '{0}': bits of layers: {1}.", start.OutputColumnName, string.Join(", ", settings.Overrides));
        }
        return NetworkQuantizer.Quantize(network, source, images, settings, seed, _options.Progress, _options.CancellationToken);
    }

    private IReadOnlyList<LayerOverride> ChooseBits(Network network, Network? source, torch.Tensor images, QuantizationSettings settings)
    {
        using var here = source?.To(network.Device);
        var precision = new MixedPrecision(network, here, images, settings, _options.Allocation, _options.CancellationToken);
        return _options.TargetSize is { } size ? precision.WithinSize(size) : precision.WithinDrop(_options.MaxAccuracyDrop!.Value);
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
