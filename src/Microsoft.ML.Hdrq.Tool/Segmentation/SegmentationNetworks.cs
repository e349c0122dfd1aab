using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>Networks that give every pixel a class.</summary>
internal sealed class SegmentationNetworks : DomainNetworks
{
    private readonly FrameFolder _folder;
    private readonly FramePipeline _frames;
    private readonly Lazy<IReadOnlyList<float>?> _classWeights;

    /// <summary>Prepares the images for the source network.</summary>
    /// <param name="context">The context.</param>
    /// <param name="folder">The images.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="network">The source network; null to train one.</param>
    /// <exception cref="InvalidDataException">
    /// The network does not take colour images, or does not give scores for as many classes as the data have.
    /// </exception>
    public SegmentationNetworks(MLContext context, FrameFolder folder, JobOptions options, Network? network)
        : base(context, options)
    {
        _folder = folder;
        var (height, width) = network is null ? PixelPipeline.ImageSize(folder.FirstImage)
            : PixelPipeline.InputSize(network, () => folder.FirstImage);
        if (network?.Graph.Outputs[0] is { } output
            && (output.Shape is not [_, var classes, _, _] || (classes > 0 && classes != folder.Classes.Count)))
            throw new InvalidDataException(
                $"The network's output {output} does not have scores of {folder.Classes.Count} classes for every pixel "
                + "[N, classes, height, width].");
        if (network?.Graph.Outputs[0] is { Shape: [_, _, var rows, var columns] } scores
            && (rows > 0 && rows != height || columns > 0 && columns != width))
        {
            throw new InvalidDataException(
                $"The network's output {scores} has scores of {rows} x {columns} places for images of {height} x {width} "
                + "pixels, and needs one for each pixel: export it with a Resize to the size of the images at its end.");
        }
        _frames = new FramePipeline(context, folder, height, width);
        // Those of the source domain are for all: what a network is trained for does not change with where it is
        // trained.
        _classWeights =
            new(() => options.BalanceClasses
            ? ClassBalance.Weights(
                Images(Domains[0], DataSplit.Train, default).GetColumn<VBuffer<byte>>(Label), folder.Classes.Count)
                : null);
    }

    public override VisionTask Task => VisionTask.Segmentation;

    public override IReadOnlyList<string> Domains => _folder.Domains;

    public override IReadOnlyList<string> Classes => _folder.Classes;

    protected override PixelPipeline Pixels => _frames.Pixels;

    protected override DomainLayout Layout => _folder.Layout;

    protected override IEnumerable<string> LabelledImages(string domain) =>
        _folder.Frames(domain, DataSplit.Train).Select(frame => frame.ImagePath);

    protected override IEnumerable<string> LabelledFiles(string domain) => Files(domain, DataSplit.Train);

    public override IEnumerable<string> TestFiles(string domain) => Files(domain, DataSplit.Test);

    public override IEnumerable<DomainScore> Measure(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken)
    {
        var scoring =
            Context.Transforms.ApplyNetwork(
                Score, PixelPipeline.Pixels, network,
                new ScoringOptions
                {
                    BatchSize = Options.BatchSize,
                    Threads = ScoringThreads,
                    ClassNames = _folder.Classes
                });
        using var scorer = scoring.Fit(Images(Domains[0], Options.MeasuredSplit, cancellationToken));
        foreach (var domain in domains)
        {
            var metrics =
                Context.SemanticSegmentation.Evaluate(
                    scorer.Transform(Images(domain, Options.MeasuredSplit, cancellationToken)));
            yield return new(domain, metrics.MeanIntersectionOverUnion, Present(metrics.PerClassIntersectionOverUnion));
        }
    }

    public override IReadOnlyList<SamplePrediction> Predict(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken) =>
            Pictures.Predictions(network, domains, cancellationToken);

    public override IReadOnlyList<(string Name, string Colour)> PictureKey =>
        [.. _folder.Classes.Zip(
            ClassColours.Of(_folder.Classes), (name, colour) =>
                (name, $"#{colour.Red:x2}{colour.Green:x2}{colour.Blue:x2}"))];

    public override void Illustrate(ResultsDocument results, string folder, CancellationToken cancellationToken)
    {
        // The network for the most domains says the most.
        if (results.Rows.Where(row => row.Merged is not null).MaxBy(row => row.Merged!.Count)?.Merged is not { } group)
            return;
        var rows = results.Rows.Where(row => row.Merged?.SequenceEqual(group) == true).ToList();
        var pictures = Pictures;
        foreach (var bits in rows.Select(ResultTable.Bits).Where(bits => bits.Length > 0).Distinct())
        {
            var columns = rows.Where(row => row.WeightBits is null || ResultTable.Bits(row) == bits)
                .Select(row => ($"{row.Method} merged", Path.Combine(folder, $"{row.Network}.onnx")));
            pictures.Sheet(group, [.. columns], cancellationToken)
                .SavePng(Path.Combine(folder, $"masks-{bits.ToLowerInvariant()}.png"));
        }
    }

    protected override Network WithHead(Network network) =>
        network.WithSegmenter(_folder.Classes, Options.Seed, Options.HeadFeatures);

    // Statistics follow from the source domain's images and their size, which the network has never seen.
    protected override AdaptationOptions NewHeadTraining =>
        Adaptation with { LearningRate = 3e-4, UpdateStatistics = true };

    protected override Network CreateSource() => Options.Architecture switch
    {
        "deeplab-18" => DeepLab.Create(depth: 18, _folder.Classes.Count, Options.Seed, Pixels.Height, Pixels.Width),
        "segformer-b0" =>
            SegFormer.Create(encoder: 0, _folder.Classes.Count, Options.Seed, Pixels.Height, Pixels.Width),
        _ => DeepLab.Small(_folder.Classes.Count, Options.Seed, Pixels.Height, Pixels.Width),
    };

    protected override AdaptationOptions SourceTraining => new()
    {
        Epochs = 12,
        BatchSize = Adaptation.BatchSize,
        Optimizer = FineTuningOptimizer.AdamW,
        LearningRate = 2e-3,
        WeightDecay = 1e-2,
        UpdateStatistics = true,
        ClassWeights = _classWeights.Value,
    };

    protected override AdaptationOptions Adaptation => base.Adaptation with { ClassWeights = _classWeights.Value };

    protected override IDataView Images(string domain, DataSplit split, CancellationToken cancellationToken) =>
        _frames.Read(domain, split, cancellationToken);

    private MaskPictures Pictures => new(Context, _frames, _folder, Options.BatchSize);

    private IEnumerable<string> Files(string domain, DataSplit split) => _folder.Frames(domain, split)
        .SelectMany(frame => new[] { frame.ImagePath, frame.MaskPath });

    /// <summary>The classes that were there to be found, or were found.</summary>
    private OrderedDictionary<string, double> Present(IReadOnlyList<double> scores) =>
        new(_folder.Classes.Zip(scores, KeyValuePair.Create).Where(score => !double.IsNaN(score.Value)));
}
