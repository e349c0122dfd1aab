using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// The steps that make a network, each an ordinary ML.NET pipeline that is fitted to the images of one domain. A whole
/// run and a command for one step take the same, so that they give the same networks.
/// </summary>
/// <param name="context">The context.</param>
/// <param name="pixels">Reads images.</param>
/// <param name="seed">The seed.</param>
/// <param name="threads">The threads that train; null for one for each core.</param>
internal sealed class NetworkSteps(MLContext context, PixelPipeline pixels, int seed, int? threads = null)
{
    private const string Score = "Score";

    /// <summary>The share of the second round in merging and distilling.</summary>
    private const double RoundShare = 0.2;

    /// <summary>
    /// A network from a file, with the normalization of its input as its first nodes. A file that has it already keeps
    /// it: the source network comes as it was exported, and those adapted from it with what was put before it.
    /// </summary>
    public Network Read(
        string path, ChannelNormalization? normalization, IReadOnlyList<string>? classNames = null, string? scores = null)
    {
        using var network = Network.LoadOnnx(path, new OnnxLoadOptions { Output = scores });
        return Fit(context.Transforms.ApplyNetwork(
            Score, PixelPipeline.Pixels, network,
            new ScoringOptions { Normalization = Missing(network, normalization), ClassNames = classNames }), NoPixels);
    }

    /// <summary>A network with names for its classes; what carries them keeps them.</summary>
    public Network Name(Network network, IReadOnlyList<string> classNames) => Fit(
        context.Transforms.ApplyNetwork(
            Score, PixelPipeline.Pixels, network, new ScoringOptions { ClassNames = classNames }), NoPixels);

    /// <summary>The normalization that a network does not have already.</summary>
    public static ChannelNormalization? Missing(Network network, ChannelNormalization? normalization) =>
        network.Metadata.GetValueOrDefault(NetworkMetadata.Normalization) == normalization?.ToString() ? null
            : normalization;

    /// <summary>A network, trained on labelled images.</summary>
    public Network Adapt(
        Network network, IDataView images, AdaptationOptions options, ScoringOptions scoring,
        CancellationToken cancellationToken) => Fit(
        context.Transforms.ApplyNetwork("Source", PixelPipeline.Pixels, network, scoring)
            .Append(context.Transforms.AdaptNetwork(
                Score, "Source", options,
                new() { Seed = seed, Threads = threads, CancellationToken = cancellationToken })),
        images);

    /// <summary>
    /// The number of images of the source on which statistics of layers are measured: a few hundred are enough.
    /// </summary>
    private const int RecordedImages = 512;

    /// <summary>
    /// A source network with statistics of its layers on its own images, where its normalizations are folded, so that
    /// places without labels can compare theirs with them; a copy where there are none to record, or some already.
    /// </summary>
    public Network Record(Network network, IDataView images, CancellationToken cancellationToken) =>
        StatisticsRecordingEstimator.CanRecord(network) && !network.Metadata.Keys.Any(
            key => key.StartsWith(NetworkMetadata.LayerStatistics, StringComparison.Ordinal)) ? Fit(
            context.Transforms.ApplyNetwork("Source", PixelPipeline.Pixels, network)
                .Append(context.Transforms.RecordStatistics(
                    Score, "Source",
                    new()
                    {
                        MaxRows = RecordedImages,
                        Seed = seed,
                        Threads = threads,
                        CancellationToken = cancellationToken,
                    })),
            images) : network.Clone();

    /// <summary>An adapted network, quantized on images; labels are not read.</summary>
    public Network Quantize(
        Network adapted, IDataView images, QuantizationOptions options, int quantizationSeed, int? calibrationImages,
        CancellationToken cancellationToken) => Fit(
        context.Transforms.ApplyNetwork("Adapted", PixelPipeline.Pixels, adapted)
            .Append(context.Transforms.QuantizeNetwork(
                Score, "Adapted", options,
                new()
                {
                    MaxRows = calibrationImages,
                    Seed = quantizationSeed,
                    Threads = threads,
                    CancellationToken = cancellationToken,
                })),
        images);

    /// <summary>One network of several, without images.</summary>
    public Network Merge(IReadOnlyList<Network> networks, MergeOptions merging) =>
        Fit(context.Transforms.MergeNetworks(Score, PixelPipeline.Pixels, networks, merging), NoPixels);

    /// <summary>One network of several, with unlabelled images of their places.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="places">The place of each network, and its images.</param>
    /// <param name="merging">How to merge.</param>
    /// <param name="mergingSeed">The seed of all draws.</param>
    /// <param name="checkpoints">Where training keeps what it has done; null for nowhere.</param>
    /// <param name="show">Told what share is done, and what is done now.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public Network Merge(
        IReadOnlyList<Network> networks, IReadOnlyList<(string Domain, IReadOnlyList<string> Paths)> places,
        MergeOptions merging, int mergingSeed, string? checkpoints, Action<double, string?> show,
        CancellationToken cancellationToken)
    {
        var rows = new MergeRows
        {
            Domains = [.. places.Select(place => place.Domain)],
            Rows = new()
            {
                DomainColumnName = nameof(DomainRow.Domain),
                Seed = mergingSeed,
                Threads = threads,
                CancellationToken = cancellationToken,
            },
            Progress = new ProgressReport<MergeProgress>(step => show(
                (merging.Refinement == MergeRefinement.Distillation ? RoundShare : 1) * step.Step / step.Steps,
                $"second round, {step.Layer}")),
        };
        var options = merging with
        {
            Distillation = merging.Distillation with
            {
                CheckpointDirectory = checkpoints,
                Progress = new ProgressReport<FineTuningProgress>(step => show(
                    RoundShare + (1 - RoundShare) * step.Step / step.Steps,
                    string.Create(CultureInfo.InvariantCulture, $"distilling, loss {step.Loss:0.000}"))),
            },
        };
        return Fit(
            context.Transforms.MergeNetworks(Score, PixelPipeline.Pixels, networks, options, rows: rows),
            pixels.Read(places, cancellationToken));
    }

    /// <summary>
    /// Saves a network as an ML.NET model that reads image files, for applications that have neither this library nor
    /// Torch.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file, a zip; replaced whole or not at all.</param>
    public void SaveModel(Network network, string path)
    {
        IEstimator<ITransformer> pipeline =
            pixels.Reading.Append(context.Transforms.ApplyNetwork(Score, PixelPipeline.Pixels, network));
        if (network.ClassNames is not null && network.Graph.Outputs[0].Shape.Length == 2)
            pipeline = pipeline.Append(context.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel"));
        var model = pipeline.Fit(pixels.NoFiles);
        try
        {
            WholeFile.Write(path, file => context.Model.Save(model, pixels.NoFiles.Schema, file));
        }
        finally
        {
            (model as IDisposable)?.Dispose();
        }
    }

    private IDataView NoPixels => pixels.Read([]);

    private static Network Fit(IEstimator<NetworkTransformer> estimator, IDataView images)
    {
        using var fitted = estimator.Fit(images);
        return fitted.Network.To(TorchSharp.torch.CPU);
    }

    /// <summary>The network of an estimator that is fitted to images, in host memory.</summary>
    private static Network Fit(EstimatorChain<NetworkTransformer> chain, IDataView images)
    {
        using var fitted = chain.Fit(images);
        return fitted.LastTransformer.Network.To(TorchSharp.torch.CPU);
    }
}
