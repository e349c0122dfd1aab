using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>Networks that classify images.</summary>
internal sealed class ImageNetworks : DomainNetworks
{
    /// <summary>Test images whose pixels are kept, so that they are not decoded anew for each network.</summary>
    private const long MostCachedPixels = 100_000_000;

    /// <summary>Test images of a domain that a report shows.</summary>
    private const int ShownImages = 6;

    private const int ShownSize = 128;

    private readonly DomainFolder _folder;
    private readonly ImagePipeline _images;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, IDataView> _tests = new(StringComparer.Ordinal);

    /// <summary>Prepares the images for the source network.</summary>
    /// <param name="context">The context.</param>
    /// <param name="folder">The images.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="network">The source network; null to train one.</param>
    /// <exception cref="InvalidDataException">
    /// The network does not take colour images or has other classes, or there is none and the images are not square.
    /// </exception>
    public ImageNetworks(MLContext context, DomainFolder folder, JobOptions options, Network? network)
        : base(context, options)
    {
        _folder = folder;
        int height, width;
        if (network is null)
        {
            (height, width) = PixelPipeline.ImageSize(folder.FirstImage);
            if (height != width)
                throw new InvalidDataException(
                    $"The images are {width} x {height} pixels; to train a network they must be square. Give a network "
                    + "with --network.");
        }
        else
        {
            (height, width) = PixelPipeline.InputSize(network, () => folder.FirstImage);
            var output = network.Graph.Outputs[0];
            if (output.Shape is not [_, var classes] || (classes > 0 && classes != folder.Classes.Count))
                throw new InvalidDataException(
                    $"The network's output {output} does not have scores of the {folder.Classes.Count} classes of the "
                    + $"folder ({string.Join(", ", folder.Classes)}).");
        }
        PixelPipeline.CheckImages(folder.AllFiles.Select(file => file.Path));
        PixelPipeline.CheckImages(folder.Layout.Unlabelled.SelectMany(folder.Layout.UnlabelledImages));
        _images = new ImagePipeline(context, folder, height, width);
        ImageSize = height * width;
    }

    public override VisionTask Task => VisionTask.Classification;

    public override IReadOnlyList<string> Domains => _folder.Domains;

    public override IReadOnlyList<string> Classes => _folder.Classes;

    protected override PixelPipeline Pixels => _images.Pixels;

    private long ImageSize { get; }

    protected override DomainLayout Layout => _folder.Layout;

    protected override IEnumerable<string> LabelledImages(string domain) => _folder.Files(domain, DataSplit.Train)
        .Select(file => file.Path);

    public override IEnumerable<string> TestFiles(string domain) => _folder.Files(domain, DataSplit.Test)
        .Select(file => file.Path);

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
        using var scorer = scoring.Fit(Test(Domains[0], cancellationToken));
        foreach (var domain in domains)
            yield return new(
                domain, Context.MulticlassClassification.Evaluate(scorer.Transform(Test(domain, cancellationToken)))
                .MicroAccuracy);
    }

    public override IReadOnlyList<SamplePrediction> Predict(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken)
    {
        var scoring =
            Context.Transforms.ApplyNetwork(
                Score, PixelPipeline.Pixels, network,
                new ScoringOptions { BatchSize = Options.BatchSize, ClassNames = _folder.Classes });
        var predictions = new List<SamplePrediction>();
        foreach (var domain in domains)
        {
            var files = _folder.Files(domain, DataSplit.Test);
            // From all classes, which follow each other: every n-th image, beginning in the middle of its stretch.
            var shown = Enumerable.Range(0, Math.Min(ShownImages, files.Count))
                .Select(i => files[(2 * i + 1) * files.Count / (2 * Math.Min(ShownImages, files.Count))]).ToList();
            var data = _images.Read(shown, cancellationToken);
            using var scorer = scoring.Fit(data);
            var answers = scorer.Transform(data).GetColumn<uint>("PredictedLabel");
            predictions.AddRange(
                shown.Zip(answers, (file, answer) =>
                    new SamplePrediction(
                        domain, file.Path, Picture(file.Path), _folder.Classes[file.ClassIndex], answer == 0 ? ""
                        : _folder.Classes[(int)answer - 1])));
        }
        return predictions;
    }

    /// <summary>An image for people: at most <see cref="ShownSize"/> pixels in each direction.</summary>
    private static byte[] Picture(string path)
    {
        using var image = SKBitmap.Decode(path);
        var scale = Math.Min(1, ShownSize / (float)Math.Max(image.Width, image.Height));
        using var shown =
            image.Resize(
                new SKImageInfo((int)Math.Max(1, image.Width * scale), (int)Math.Max(1, image.Height * scale)),
                SKFilterQuality.Medium);
        using var png = shown.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    protected override Network WithHead(Network network) =>
        network.WithClassifier(_folder.Classes, Options.Seed, Options.HeadFeatures);

    protected override AdaptationOptions NewHeadTraining => Adaptation with { LearningRate = 1e-3, BatchSize = 16 };

    protected override Network CreateSource() => Options.Architecture switch
    {
        "resnet-18" =>
            ResNet.ImageNet(depth: 18, _folder.Classes.Count, Options.Seed, inputSize: _images.Pixels.Height),
        "mobilenet-v2" => MobileNetV2.Create(_folder.Classes.Count, Options.Seed, inputSize: _images.Pixels.Height),
        _ => ResNet.Cifar(depth: 14, _folder.Classes.Count, Options.Seed, width: 16, inputSize: _images.Pixels.Height),
    };

    protected override AdaptationOptions SourceTraining => new()
    {
        Epochs = 8,
        LearningRate = 0.1,
        WeightDecay = 5e-4,
        UpdateStatistics = true,
        HorizontalFlip = Options.Flip,
        CropPadding = Adaptation.CropPadding,
    };

    protected override IDataView Images(string domain, DataSplit split, CancellationToken cancellationToken) =>
        _images.Read(domain, split, cancellationToken);

    private IDataView Test(string domain, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_tests.TryGetValue(domain, out var test))
                return test;
            test = Images(domain, Options.MeasuredSplit, cancellationToken);
            if (_folder.Files(domain, Options.MeasuredSplit).Count * 3 * ImageSize <= MostCachedPixels)
                test = Context.Data.Cache(test, PixelPipeline.Pixels, Label);
            _tests.Add(domain, test);
            return test;
        }
    }
}
