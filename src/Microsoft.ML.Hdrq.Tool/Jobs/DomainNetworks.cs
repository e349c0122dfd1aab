using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tool.Classification;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Segmentation;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// Makes and measures networks of one task, on the images of a data folder. Every step is an ordinary ML.NET pipeline
/// that is fitted to the images of one domain, as it would be where these images are.
/// </summary>
internal abstract class DomainNetworks(MLContext context, JobOptions options)
{
    /// <summary>The column of the truth.</summary>
    public const string Label = "Label";

    /// <summary>The column that networks write.</summary>
    protected const string Score = "Score";

    /// <summary>What makes and measures the networks of a data folder.</summary>
    /// <param name="layout">The folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="network">The source network; null to train one.</param>
    /// <param name="warn">
    /// Told what was assumed of the images, and what steps warn of; null where that was said already.
    /// </param>
    /// <exception cref="InvalidDataException">The images cannot be used, or the network does not fit them.</exception>
    public static DomainNetworks Of(
        DomainLayout layout, JobOptions options, Network? network, Action<string>? warn = null)
    {
        if (network is not null && !options.NewHead)
            VisionTask.CheckOutput(network);
        var context = Devices.Context(options.Seed, options.GpuDeviceId, warn);
        var classes = options.NewHead ? null : network?.ClassNames;
        if (layout.HasMasks)
        {
            var frames = new FrameFolder(layout, classes, options.NewHead ? null : ClassCount(network), warn);
            using var headed = Headed(
                source => source.WithSegmenter(frames.Classes, options.Seed, options.HeadFeatures), frames.FirstImage);
            return new SegmentationNetworks(context, frames, options, headed ?? network);
        }
        else
        {
            var folder = new DomainFolder(layout, classes);
            using var headed = Headed(
                source => source.WithClassifier(folder.Classes, options.Seed, options.HeadFeatures), folder.FirstImage);
            return new ImageNetworks(context, folder, options, headed ?? network);
        }

        Network? Headed(Func<Network, Network> putOn, string image)
        {
            if (!options.NewHead)
                return null;
            var headed = putOn(network!);
            // What a network gives may be features, or scores of other classes that something odd was made of.
            if (!options.IsPretrained && options.HeadFeatures is null
                && headed.Graph.Nodes.Any(node => node.Outputs.Contains(network!.Graph.Outputs[0].Name)))
            {
                warn?.Invoke(
                    $"The network does not end in a layer: the new head reads what it gives, {network!.Graph.Outputs[0]}. "
                    + "--features names another value.");
            }
            return Sized(headed, options, image);
        }
    }

    /// <summary>A network with a new head, for images of the size of one.</summary>
    private static Network Sized(Network network, JobOptions options, string image)
    {
        if (!options.IsPretrained)
            return network;
        var (height, width) = PixelPipeline.ImageSize(image);
        return PretrainedNetwork.For(network, height, width);
    }

    private static int? ClassCount(Network? network) =>
        network?.Graph.Outputs[0].Shape.ToArray() is [_, > 0 and var classes, ..] ? (int)classes : null;

    /// <summary>The task.</summary>
    public abstract VisionTask Task { get; }

    /// <summary>All domains, the source's first.</summary>
    public abstract IReadOnlyList<string> Domains { get; }

    /// <summary>The names of the classes, in the order of the networks' outputs.</summary>
    public abstract IReadOnlyList<string> Classes { get; }

    protected MLContext Context => context;

    protected JobOptions Options => options;

    /// <summary>Reads images.</summary>
    protected abstract PixelPipeline Pixels { get; }

    /// <summary>The threads that score: as many as train, where networks are made side by side.</summary>
    protected int ScoringThreads => options.Threads ?? torch.get_num_threads();

    private NetworkSteps Steps => new(context, Pixels, options.Seed, options.Threads);

    /// <summary>Where the images are.</summary>
    protected abstract DomainLayout Layout { get; }

    /// <summary>The files that a domain's networks are trained and quantized on.</summary>
    public IEnumerable<string> TrainingFiles(string domain) => ReadsLabels(domain)
        ? LabelledFiles(domain)
        : Layout.UnlabelledImages(domain);

    /// <summary>The images among <see cref="TrainingFiles"/>: all but masks.</summary>
    public IEnumerable<string> TrainingImageFiles(string domain) => ReadsLabels(domain)
        ? LabelledImages(domain)
        : Layout.UnlabelledImages(domain);

    /// <summary>Whether a domain's networks are trained on labels.</summary>
    public bool ReadsLabels(string domain) => Layout.HasLabels(domain, DataSplit.Train);

    /// <summary>The labelled training images of a domain.</summary>
    protected abstract IEnumerable<string> LabelledImages(string domain);

    /// <summary>The same, and their masks, if they have such.</summary>
    protected virtual IEnumerable<string> LabelledFiles(string domain) => LabelledImages(domain);

    /// <summary>The files that networks are measured on in a domain.</summary>
    public abstract IEnumerable<string> TestFiles(string domain);

    /// <summary>How well a network does on the test images of some domains, domain after domain.</summary>
    public abstract IEnumerable<DomainScore> Measure(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken);

    /// <summary>
    /// Writes pictures of what networks give, where the task has such; does nothing unless overridden.
    /// </summary>
    /// <param name="results">The results.</param>
    /// <param name="folder">Where the networks are, and the pictures shall be.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public virtual void Illustrate(ResultsDocument results, string folder, CancellationToken cancellationToken)
    {
    }

    /// <summary>
    /// The source network, from its file, or a small one trained on the first domain; with statistics of its layers on
    /// the images of that domain where they can be recorded.
    /// </summary>
    public Network Source(
        IProgress<FineTuningProgress> progress, string? checkpoints, CancellationToken cancellationToken)
    {
        using var network = SourceWithoutStatistics(progress, checkpoints, cancellationToken);
        return Steps.Record(network, TrainingImages(Domains[0], cancellationToken), cancellationToken);
    }

    private Network SourceWithoutStatistics(
        IProgress<FineTuningProgress> progress, string? checkpoints, CancellationToken cancellationToken)
    {
        if (options is { Network: not null, NewHead: false })
            return Read(options.Network);
        using var file = options.LoadNetwork();
        using var created = file is null ? CreateSource()
            : Sized(WithHead(file), options, TrainingImageFiles(Domains[0]).First());
        var standard = file is null ? SourceTraining : NewHeadTraining;
        var training = standard with
        {
            Epochs = options.SourceEpochs ?? SourceTraining.Epochs,
            LearningRate = options.SourceLearningRate ?? standard.LearningRate,
            HeadLearningRate = options.HeadLearningRate,
            // The source network is not merged.
            Moments = SentMoments.Nothing,
            ValidationFraction = options.ValidationFraction ?? 0,
            CheckpointDirectory = checkpoints,
            Progress = progress,
        };
        return Steps.Adapt(
            created, Images(Domains[0], DataSplit.Train, cancellationToken), training,
            new() { Normalization = NetworkSteps.Missing(created, options.Normalization), ClassNames = Classes },
            cancellationToken);
    }

    /// <summary>A network from a file, with the normalization of its input as its first nodes.</summary>
    public Network Read(string path) => Steps.Read(path, options.Normalization, Classes, options.Scores);

    /// <summary>The source network, adapted to the images of a domain, with their labels if these are read.</summary>
    public Network Adapt(
        Network source, string domain, IProgress<FineTuningProgress> progress, string? checkpoints,
        CancellationToken cancellationToken) =>
        Steps.Adapt(
            source, TrainingImages(domain, cancellationToken),
            (ReadsLabels(domain)
                ? Adaptation with { ValidationFraction = options.ValidationFraction ?? 0 }
                : Adaptation with { Method = AdaptationMethod.Student, ClassWeights = null }) with
            {
                CheckpointDirectory = checkpoints,
                Progress = progress,
            },
            new(), cancellationToken);

    /// <summary>An adapted network, quantized on the images of its domain, without their labels.</summary>
    public Network Quantize(
        Network source, Network adapted, string domain, QuantizationOptions settings, int seed,
        IProgress<QuantizationProgress> progress, string? checkpoints, CancellationToken cancellationToken) =>
        Steps.Quantize(
            adapted, TrainingImages(domain, cancellationToken),
            settings with { Source = source, CheckpointDirectory = checkpoints, Progress = progress }, seed,
            options.CalibrationImages, cancellationToken);

    /// <summary>One network of several, without images.</summary>
    public Network Merge(IReadOnlyList<Network> networks, MergeOptions merging) => Steps.Merge(networks, merging);

    /// <summary>One network of several, with the training images of their domains, without labels.</summary>
    public Network Merge(
        IReadOnlyList<Network> networks, IReadOnlyList<string> domains, MergeOptions merging, int seed,
        string? checkpoints, Action<double, string?> show, CancellationToken cancellationToken) =>
        Steps.Merge(
            networks, [.. domains.Select(domain => (domain, (IReadOnlyList<string>)[.. TrainingImageFiles(domain)]))],
            merging, seed, checkpoints, show, cancellationToken);

    /// <summary>What a network says of some test images of each of some domains, for people to look at.</summary>
    public virtual IReadOnlyList<SamplePrediction> Predict(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken) => [];

    /// <summary>What the colours of predicted pictures mean, as CSS; empty where predictions are no pictures.</summary>
    public virtual IReadOnlyList<(string Name, string Colour)> PictureKey => [];

    /// <summary>Has networks analysed on the labelled test images of a domain.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="parts">The networks.</param>
    /// <param name="analyse">Given the data and the names of the networks' score columns in it.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public T Analyse<T>(
        string domain, IReadOnlyList<Network> parts, Func<ModelOperationsCatalog, IDataView, IReadOnlyList<string>,
        T> analyse, CancellationToken cancellationToken)
    {
        var data = Images(domain, DataSplit.Test, cancellationToken);
        var (applied, columns) = (new List<NetworkTransformer>(), new List<string>());
        try
        {
            foreach (var part in parts)
            {
                columns.Add($"{Score}{columns.Count}");
                applied.Add(context.Transforms.ApplyNetwork(
                    columns[^1], PixelPipeline.Pixels, part, new ScoringOptions { Engine = ScoringEngineKind.Torch })
                    .Fit(data));
                data = applied[^1].Transform(data);
            }
            return analyse(context.Model, data, columns);
        }
        finally
        {
            applied.ForEach(transformer => transformer.Dispose());
        }
    }

    /// <summary>
    /// Saves a network as an ML.NET model that reads image files, for applications that have neither this library nor
    /// Torch.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file, a zip.</param>
    public void SaveModel(Network network, string path)
    {
        using var named = Steps.Name(network, Classes);
        Steps.SaveModel(named, path);
    }

    /// <summary>A source network that has not been trained.</summary>
    protected abstract Network CreateSource();

    /// <summary>How a pretrained network is trained with a new head: in small batches, as there are few epochs.</summary>
    protected abstract AdaptationOptions NewHeadTraining { get; }

    /// <summary>A network with a new head for the classes.</summary>
    protected abstract Network WithHead(Network network);

    /// <summary>How a source network is trained from the beginning.</summary>
    protected abstract AdaptationOptions SourceTraining { get; }

    /// <summary>How a source network is adapted to a domain.</summary>
    protected virtual AdaptationOptions Adaptation => options.Adapting(Task.Adaptation(Pixels.Height));

    private IDataView TrainingImages(string domain, CancellationToken cancellationToken) =>
        ReadsLabels(domain)
            ? Images(domain, DataSplit.Train, cancellationToken)
            : Pixels.Read(Layout.UnlabelledImages(domain), cancellationToken);

    /// <summary>
    /// The images of a domain as <see cref="PixelPipeline.Pixels"/> and <see cref="Label"/>, read when a cursor asks
    /// for them.
    /// </summary>
    protected abstract IDataView Images(string domain, DataSplit split, CancellationToken cancellationToken);
}
