using Hdrq.Samples;
using Hdrq.Samples.Data;
using Hdrq.Samples.Report;
using Hdrq.Samples.Results;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using SegmentationMerge.Data;
using SegmentationMerge.Sheets;

namespace SegmentationMerge;

/// <summary>Networks that give every pixel a class.</summary>
internal sealed class SegmentationNetworks : DomainNetworks
{
    private const int TrainingBatch = 8;

    private readonly FrameFolder _folder;
    private readonly FramePipeline _frames;
    private readonly Lazy<IReadOnlyList<float>?> _classWeights;

    /// <summary>Prepares the images for the source network.</summary>
    /// <exception cref="InvalidDataException">The network does not take colour images, or does not give scores for as many classes as the data have.</exception>
    public SegmentationNetworks(MLContext context, FrameFolder folder, SampleOptions options) : base(context, options)
    {
        _folder = folder;
        var (height, width) = folder.FirstImageSize();
        if (options.Network is not null)
        {
            using var network = Network.LoadOnnx(options.Network);
            (height, width) = SizeFor(network, height, width);
        }
        _frames = new FramePipeline(context, folder, height, width);
        // Of the sample's own streets, posts and people are so small a part that nothing is learned of them without weights. Those of the source domain are for all: what a network is
        // trained for does not change with where it is trained.
        _classWeights = new(() => options.Data is null ? ClassBalance.Weights(Images(Domains[0], DataSplit.Train, default).GetColumn<VBuffer<byte>>(Label), folder.Classes.Count) : null);
    }

    /// <summary>The networks that can be trained.</summary>
    public static IReadOnlyList<string> Architectures { get; } = ["small-deeplab", "deeplab-18", "segformer-b0"];

    public override SampleTask Task { get; } = new("segmentation", "Mean IoU", "mean IoUs");

    public override IReadOnlyList<string> Domains => _folder.Domains;

    public override IEnumerable<string> TrainingFiles(string domain) => Files(domain, DataSplit.Train);

    public override IEnumerable<string> TestFiles(string domain) => Files(domain, DataSplit.Test);

    public override IEnumerable<DomainScore> Measure(Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken)
    {
        var scoring = Context.Transforms.ApplyNetwork(Score, Pixels, network, new ScoringOptions { BatchSize = Options.BatchSize, Threads = Options.Threads, ClassNames = _folder.Classes });
        using var scorer = scoring.Fit(Images(Domains[0], DataSplit.Test, cancellationToken));
        foreach (var domain in domains)
        {
            var metrics = Context.SemanticSegmentation.Evaluate(scorer.Transform(Images(domain, DataSplit.Test, cancellationToken)));
            yield return new(domain, metrics.MeanIntersectionOverUnion, Present(metrics.PerClassIntersectionOverUnion));
        }
    }

    public override IReadOnlyList<SamplePrediction> Predict(Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken) => Pictures.Predictions(network, domains, cancellationToken);

    public override IReadOnlyList<(string Name, string Colour)> PictureKey => [.. _folder.Classes.Zip(ClassColours.Of(_folder.Classes), (name, colour) => (name, $"#{colour.Red:x2}{colour.Green:x2}{colour.Blue:x2}"))];

    public override void Illustrate(ResultsDocument results, string folder, CancellationToken cancellationToken)
    {
        // The network for the most domains says the most.
        if (results.Rows.Where(row => row.Merged is not null).MaxBy(row => row.Merged!.Count)?.Merged is not { } group)
            return;
        var rows = results.Rows.Where(row => row.Merged?.SequenceEqual(group) == true).ToList();
        var pictures = Pictures;
        foreach (var bits in rows.Select(ResultTable.Bits).Where(bits => bits.Length > 0).Distinct())
        {
            var columns = rows.Where(row => row.WeightBits is null || ResultTable.Bits(row) == bits).Select(row => ($"{row.Method} merged", Path.Combine(folder, $"{row.Network}.onnx")));
            pictures.Sheet(group, [.. columns], cancellationToken).SavePng(Path.Combine(folder, $"masks-{bits.ToLowerInvariant()}.png"));
        }
    }

    protected override Network CreateSource() => Options.Architecture switch
    {
        "deeplab-18" => DeepLab.Create(depth: 18, _folder.Classes.Count, Options.Seed, _frames.Height, _frames.Width),
        "segformer-b0" => SegFormer.Create(encoder: 0, _folder.Classes.Count, Options.Seed, _frames.Height, _frames.Width),
        _ => SmallDeepLab.Create(_folder.Classes.Count, width: 16, _frames.Height, _frames.Width, Options.Seed),
    };

    protected override AdaptationOptions SourceTraining => new()
    {
        Epochs = Options.SourceEpochs ?? (Options.Data is null ? 16 : 12),
        BatchSize = TrainingBatch,
        Optimizer = FineTuningOptimizer.AdamW,
        LearningRate = 2e-3,
        WeightDecay = 1e-2,
        UpdateStatistics = true,
        // The source network is not merged.
        KeepInputGrams = false,
        ClassWeights = _classWeights.Value,
    };

    protected override AdaptationOptions Adaptation => new()
    {
        Epochs = Options.AdaptationEpochs ?? (Options.Data is null ? 6 : 10),
        BatchSize = TrainingBatch,
        Optimizer = FineTuningOptimizer.AdamW,
        LearningRate = Options.AdaptationLearningRate ?? 3e-4,
        ClassWeights = _classWeights.Value,
    };

    protected override IDataView Images(string domain, DataSplit split, CancellationToken cancellationToken) => _frames.Read(domain, split, cancellationToken);

    protected override (IEstimator<ITransformer> Pipeline, IDataView Rows) Serving(Network network) => (
        _frames.Reading.Append(Context.Transforms.ApplyNetwork(Score, Pixels, network, new ScoringOptions { ClassNames = _folder.Classes })),
        Context.Data.LoadFromEnumerable<ImageRow>([]));

    private MaskPictures Pictures => new(Context, _frames, _folder, Options.BatchSize);

    private IEnumerable<string> Files(string domain, DataSplit split) => _folder.Frames(domain, split).SelectMany(frame => new[] { frame.ImagePath, frame.MaskPath });

    /// <summary>The classes that were there to be found, or were found.</summary>
    private OrderedDictionary<string, double> Present(IReadOnlyList<double> scores) =>
        new(_folder.Classes.Zip(scores, KeyValuePair.Create).Where(score => !double.IsNaN(score.Value)));

    private (int Height, int Width) SizeFor(Network network, int height, int width)
    {
        var (input, output) = (network.Graph.Inputs[0], network.Graph.Outputs[0]);
        if (input.Shape is not [_, 3 or -1, var inputHeight, var inputWidth])
            throw new InvalidDataException($"The network's input {input} is not a batch of colour images [N, 3, height, width].");
        if (output.Shape is not [_, var classes, _, _] || (classes > 0 && classes != _folder.Classes.Count))
            throw new InvalidDataException($"The network's output {output} does not have scores of {_folder.Classes.Count} classes for every pixel [N, classes, height, width].");
        return (inputHeight > 0 ? (int)inputHeight : height, inputWidth > 0 ? (int)inputWidth : width);
    }
}
