using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Quantizes a network on images, without a pipeline: folds normalizations, places quantizers, calibrates them, and
/// trains block by block.
/// </summary>
/// <remarks>
/// In an ML.NET pipeline the steps <c>QuantizeHdrq</c> and <c>QuantizeNetwork</c> call it with the rows of a domain.
/// </remarks>
public static class NetworkQuantizer
{
    /// <summary>Quantizes a copy of a network.</summary>
    /// <param name="network">
    /// The network in full precision, with one input, on the device to compute on; not changed.
    /// </param>
    /// <param name="images">
    /// The calibration images, [images, ...] as the network takes them, of <see cref="float"/>, at least one, on any
    /// device; no labels are needed. A few hundred are enough; all of them are used.
    /// </param>
    /// <param name="options">
    /// The method and its options: <see cref="HdrqOptions"/> for networks that are to be merged, or
    /// <see cref="RoundToNearestOptions"/>, <see cref="AdaRoundOptions"/>, <see cref="BrecqOptions"/> or
    /// <see cref="QDropOptions"/>.
    /// </param>
    /// <param name="seed">
    /// The seed of all random choices, any value; 0 by default. The same network, images, options and seed give the
    /// same bytes on the same machine's CPU with the same number of Torch's threads; on a GPU, cuDNN adds some
    /// gradients in an order that differs.
    /// </param>
    /// <param name="cancellationToken">Stops quantization between two steps; nothing is changed then.</param>
    /// <returns>
    /// The quantized network on the same device, owned by the caller: the graph of the network with its normalizations
    /// folded and <c>FakeQuantize</c> nodes, and metadata that name the method, the bits and the source.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or the pattern of an exception matches no layer; the message names it.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The network does not have exactly one input, is quantized already, or has a weight that is not finite; there are
    /// no images, or they are not of <see cref="float"/> or not finite; the source has another graph, and the message
    /// names the first difference; or the weights do not fit into <see cref="BitBudget.TargetSize"/>.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The accuracy falls by more than <see cref="BitBudget.MaxAccuracyDrop"/> even with the maximum number of bits, or
    /// the network does not choose among classes; or what the network computes, or the loss of a step, is not finite.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <example>
    /// <code>
    /// using var network = Network.LoadOnnx("adapted.onnx");
    /// using var source = Network.LoadOnnx("source.onnx");
    /// var options = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Source = source };
    /// using var quantized = NetworkQuantizer.Quantize(network, images, options, seed: 1);
    /// quantized.SaveOnnx("quantized.onnx");
    /// </code>
    /// </example>
    public static Network Quantize(
        Network network, torch.Tensor images, QuantizationOptions options, int seed = 0,
        CancellationToken cancellationToken = default) =>
        Quantize(network, images, options, seed, warn: null, cancellationToken);

    /// <summary>Quantizes a copy of a network.</summary>
    /// <param name="network">The network in full precision.</param>
    /// <param name="images">The calibration images.</param>
    /// <param name="options">The method and its options.</param>
    /// <param name="seed">The seed of all random choices.</param>
    /// <param name="warn">
    /// Told that no checkpoint can be written, or that images are too few for moments; null if nobody asks.
    /// </param>
    /// <param name="cancellationToken">Stops quantization between two steps.</param>
    internal static Network Quantize(
        Network network, torch.Tensor images, QuantizationOptions options, int seed, Action<string>? warn,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        using var uses = Network.UseAll(network, options.Source);
        using var modes = new TorchModes(options.Calibration.AllowTf32);
        Check(network, options);
        if (images.dtype != torch.ScalarType.Float32 || images.dim() == 0 || images.shape[0] == 0)
        {
            throw new ArgumentException(
                $"The images are a tensor of {images.dtype} with shape {TensorShape.Describe(images.shape)}; "
                + "at least one image in single precision is needed.",
                nameof(images));
        }
        InputGrams.Check(network.Graph, images.shape[0], options.Moments, warn: null);
        FiniteCheck.Images(images);
        using var scope = torch.NewDisposeScope();
        var kept = options.Calibration.KeepOnDevice ? images.to(network.Device) : images.cpu();
        if (options.BitBudget is { } budget)
        {
            var overrides = ChooseBits(network, kept, options, budget, cancellationToken);
            options = options with { BitBudget = null, Overrides = overrides };
        }
        return Apply(network, kept, options, options.BlockTraining, seed, cancellationToken, warn);
    }

    /// <summary>Checks that a network can be quantized with the options, before there are images.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An exception's pattern matches no layer.</exception>
    /// <exception cref="ArgumentException">
    /// The network does not have exactly one input, is quantized already, has a pooling that no integer kernel
    /// computes, or a weight that is in double precision or not finite.
    /// </exception>
    internal static void Check(Network network, QuantizationOptions options)
    {
        if (network.Graph.Inputs.Length != 1)
        {
            throw new ArgumentException(
                $"The network has {network.Graph.Inputs.Length} inputs; it must have exactly one.", nameof(network));
        }
        if (network.IsQuantized)
        {
            var method = network.Metadata.GetValueOrDefault(NetworkMetadata.Method);
            throw new ArgumentException(
                $"The network is quantized already{(method is null ? "" : $", by {method}")}; "
                + "quantize the network in full precision that it was made from.",
                nameof(network));
        }
        if (network.Graph.Parameters.FirstOrDefault(parameter =>
            parameter is { Role: ParameterRole.Weight, ElementType: ElementType.Float64 }) is { } exact)
        {
            throw new ArgumentException(
                $"Weight '{exact.Name}' is in double precision; networks are quantized from single precision. Export "
                + "the network without the Cast before its layers.",
                nameof(network));
        }
        foreach (var node in network.Graph.Nodes)
        {
            if ((node.Operator as AveragePooling)?.WhyNotInteger is { } why)
            {
                throw new ArgumentException(
                    $"{node} {why}: ONNX Runtime has no integer kernel that computes this. Export the network without.",
                    nameof(network));
            }
        }
        FiniteCheck.Parameters(network);
        if (options.Source is { } source)
            FiniteCheck.Parameters(source, "the source network");
        var names = QuantizerSites.Names(network.Graph);
        if (options.Overrides.FirstOrDefault(exception => !names.Any(exception.Matches)) is { } unmatched)
        {
            const int shown = 10;
            var list = string.Join(", ", names.Take(shown).Select(name => $"'{name}'"));
            throw OptionCheck.Error(
                nameof(QuantizationOptions.Overrides), unmatched.Pattern,
                $"The pattern '{unmatched.Pattern}' of {nameof(QuantizationOptions.Overrides)} matches none of the "
                + $"network's {names.Count} layers ({list}{(names.Count > shown ? ", ..." : "")}).");
        }
    }

    /// <summary>Quantizes with options that have been checked and have no bit budget.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">The images, on the device that is to hold them and their activations.</param>
    /// <param name="options">The options.</param>
    /// <param name="training">How blocks are trained; null for rounding to nearest.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="cancellationToken">Stops quantization between two steps.</param>
    /// <param name="warn">
    /// Told once that no checkpoint can be written, or that images are too few for moments; null if nobody asks.
    /// </param>
    internal static Network Apply(
        Network network, torch.Tensor images, QuantizationOptions options, BlockTraining? training, int seed,
        CancellationToken cancellationToken, Action<string>? warn = null)
    {
        using var scope = torch.NewDisposeScope();
        var (source, calibration) = (options.Source, options.Calibration);
        if (NetworkBatches.FixedSize(network.Graph) is { } fixedSize)
        {
            // All batches have the size that the network needs.
            var count = NetworkBatches.Of(network.Graph, images.shape[0], 1).Sum(batch => batch.Count);
            images = images.narrow(0, 0, count);
            calibration = calibration with { BatchSize = checked((int)fixedSize) };
            training = training is null ? null : training with { BatchSize = checked((int)fixedSize) };
        }
        using var folded = Fold(network);
        using var foldedSource = source is null || (training is null && !calibration.UseSourceScales)
            ? null
            : FoldedSource(source, folded);
        FiniteCheck.Parameters(folded, "the network with its normalizations folded");
        // Said once nothing else can be refused.
        InputGrams.Check(network.Graph, images.shape[0], options.Moments, warn);
        var batches = Split(images, calibration.BatchSize);
        var sites = QuantizerSites.Find(
            folded, options.Placement, options.WeightBits, options.ActivationBits, options.Overrides,
            options.ReduceRange);
        var quantized = Calibration.Apply(
            folded,
            sites,
            batches,
            calibration,
            options.PerChannel,
            cancellationToken,
            calibration.UseSourceScales ? foldedSource?.Parameters : null);
        try
        {
            if (options.Moments.Noise is not null)
                PrivateGrams.Check(quantized);
            if (training is not null)
            {
                var sourceWeights = foldedSource?.Parameters ?? new Dictionary<string, torch.Tensor>();
                Reconstruction.Apply(
                    quantized,
                    images,
                    sourceWeights,
                    training,
                    calibration,
                    seed,
                    options.Progress,
                    cancellationToken,
                    BlockCheckpoints.Open(
                        options.CheckpointDirectory, quantized, images, sourceWeights, training, calibration.AllowTf32,
                        seed, warn));
            }
            if (options.CorrectBiases)
            {
                var corrected = NetworkBatches.FixedSize(network.Graph)
                    ?? Math.Min(images.shape[0], CalibrationOptions.MaxImages);
                BiasCorrection.Apply(quantized, folded, images.narrow(0, 0, corrected));
            }
            if (options.Placement == QuantizerPlacement.Integer)
                quantized = ForIntegers(quantized);
            FiniteCheck.Parameters(quantized, "the quantized network");
            // The Gram matrices of the network in full precision do not describe values on a grid.
            quantized.Metadata = InputGrams.Without(folded.Metadata).With(
                (NetworkMetadata.Method, options.Method),
                (NetworkMetadata.WeightBits, options.WeightBits),
                (NetworkMetadata.ActivationBits, options.ActivationBits),
                (NetworkMetadata.CalibrationImages, images.shape[0]),
                (NetworkMetadata.Source, NetworkMetadata.SourceOf(source ?? network)));
            InputGrams.Send(quantized, images, options.Moments, calibration.BatchSize, cancellationToken);
            return quantized;
        }
        catch
        {
            quantized.Dispose();
            throw;
        }
    }

    /// <summary>Chooses exceptions that give layers the bits that fit a budget.</summary>
    private static IReadOnlyList<LayerOverride> ChooseBits(
        Network network, torch.Tensor images, QuantizationOptions options, BitBudget budget,
        CancellationToken cancellationToken)
    {
        using var source = options.Source?.To(network.Device);
        var precision = new MixedPrecision(
            network, images, options with { Source = source }, budget.Basis, cancellationToken);
        return budget.TargetSize is { } size
            ? precision.WithinSize(size)
            : precision.WithinDrop(budget.MaxAccuracyDrop!.Value);
    }

    /// <summary>Makes the further changes that integer hardware needs; disposes the given network.</summary>
    private static Network ForIntegers(Network quantized)
    {
        var result = ClipByQuantizer.Apply(quantized);
        quantized.Dispose();
        foreach (var bias in IntegerBias.Find(result.Graph))
            bias.Round(result.Parameters);
        return result;
    }

    private static Network FoldedSource(Network source, Network folded)
    {
        using var here = source.To(folded.Device);
        var result = Fold(here);
        if (result.Graph.FirstDifference(folded.Graph) is not { } difference)
            return result;
        result.Dispose();
        throw new ArgumentException(
            $"The source network is not one that the network can descend from: {difference}", nameof(source));
    }

    /// <summary>Gives layers weights of their own, and the normalizations after them.</summary>
    private static Network Fold(Network network)
    {
        using var weighted = FoldWeights.Apply(network);
        return FoldBatchNormalization.Apply(weighted, keepStatistics: true);
    }

    private static List<torch.Tensor> Split(torch.Tensor images, int batchSize)
    {
        var batches = new List<torch.Tensor>();
        for (long start = 0; start < images.shape[0]; start += batchSize)
            batches.Add(images.narrow(0, start, Math.Min(batchSize, images.shape[0] - start)));
        return batches;
    }
}
