using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Quantizes a network on the unlabelled images of a domain: with HDRQ, so that it can be merged with others, or with
/// another method, for comparison. The options' type says which.
/// </summary>
/// <remarks>
/// All methods except rounding to nearest train the blocks of the network one after the other, so that each quantized
/// block gives the output of the block in full precision. The result, a <see cref="NetworkTransformer"/>, scores with
/// integer kernels on a CPU if all of it computes on integers. Otherwise it is simulated in floating point, on the grid
/// of the integers; see <see cref="ScoringEngineKind"/>. Create it with
/// <see cref="HdrqCatalog.QuantizeHdrq(TransformsCatalog, string, string, HdrqOptions, RowOptions)"/> or
/// <see cref="HdrqCatalog.QuantizeNetwork"/>; without a pipeline, use <see cref="NetworkQuantizer"/>.
/// </remarks>
public sealed class NetworkQuantizationEstimator : NetworkTrainingEstimator
{
    /// <summary>The maximum number of calibration images if the options do not set it.</summary>
    private const int DefaultRows = 256;

    private readonly QuantizationOptions _options;

    internal NetworkQuantizationEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, QuantizationOptions options,
        RowOptions rows)
        : base(environment, "QuantizeNetwork", outputColumnName, inputColumnName, rows, readsLabels: false)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _options = options;
    }

    private protected override Network Train(Start start)
    {
        var annotation = start.Annotation;
        TrainingHost.CheckCrop(annotation.Network, start.RowShape, Rows.CropSize);
        var options = _options with { Source = _options.Source ?? annotation.Ancestor };
        if (options is { Source: null, BlockTraining.SourceDistanceWeight: > 0 })
        {
            start.Channel.Warning(MessageSensitivity.Schema,
                "Column '{0}': no source network is known, so the distance term is 0. "
                + "Start from AdaptNetwork, or set {1}.",
                start.OutputColumnName, nameof(QuantizationOptions.Source));
        }
        NetworkQuantizer.Check(annotation.Network, options);
        using var rows = start.Read(label: null, DefaultRows);
        start.Channel.Info(MessageSensitivity.Schema,
            "Column '{0}': quantizing the network of '{1}' to W{2}A{3} by {4} on {5} images{6}, "
            + "{7} steps a block, on {8}.",
            start.OutputColumnName, start.InputColumnName, options.WeightBits, options.ActivationBits, options.Method,
            rows.Images.shape[0], start.OfDomain, options.BlockTraining?.Iterations ?? 0, start.Device);
        using var network = annotation.Network.To(start.Device);
        var quantized = NetworkQuantizer.Quantize(
            network, rows.Images, options, start.Seed,
            warning => start.Channel.Warning(
                MessageSensitivity.Schema, "Column '{0}': {1}", start.OutputColumnName, warning),
            Rows.CancellationToken);
        if (options.BitBudget is not null)
        {
            start.Channel.Info(MessageSensitivity.Schema, "Column '{0}': bits of layers: {1}.",
                start.OutputColumnName, string.Join(", ", LayerOverride.Of(quantized)));
        }
        return quantized;
    }
}
