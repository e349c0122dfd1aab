using ImageClassificationMerge.Data;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace ImageClassificationMerge;

/// <summary>
/// Makes and measures networks. Every step is an ordinary ML.NET pipeline that is fitted to the images of one domain, as it would be where these images are; the README has all steps in one.
/// </summary>
internal sealed class ImageNetworks
{
    private const string Score = "Score";

    /// <summary>Test images whose pixels are kept, so that they are not decoded anew for each network.</summary>
    private const long MostCachedPixels = 100_000_000;

    private readonly MLContext _context;
    private readonly DomainFolder _folder;
    private readonly SampleOptions _options;
    private readonly ImagePipeline _images;
    private readonly Dictionary<string, IDataView> _tests = new(StringComparer.Ordinal);

    /// <summary>Prepares the images for the source network.</summary>
    /// <exception cref="InvalidDataException">The network does not take colour images, or there is none and the images are not square.</exception>
    public ImageNetworks(MLContext context, DomainFolder folder, SampleOptions options)
    {
        (_context, _folder, _options) = (context, folder, options);
        int height, width;
        if (options.Network is null)
        {
            (height, width) = ImagePipeline.FirstImageSize(folder);
            if (height != width)
                throw new InvalidDataException($"The images are {width} x {height} pixels; to train a network they must be square. Give a network with --network.");
        }
        else
        {
            using var network = Network.LoadOnnx(options.Network);
            (height, width) = ImagePipeline.InputSize(network, folder);
        }
        _images = new ImagePipeline(context, folder, height, width);
        ImageSize = height * width;
    }

    private long ImageSize { get; }

    /// <summary>The source network: from its file, or a small one trained on the first domain.</summary>
    public Network Source(IProgress<FineTuningProgress> progress, CancellationToken cancellationToken)
    {
        if (_options.Network is not null)
            return Read(_options.Network);
        using var created = ResNet.Cifar(depth: 14, _folder.Classes.Count, _options.Seed, width: 16, inputSize: _images.Height);
        var training = _context.Transforms.ApplyNetwork("Untrained", ImagePipeline.Pixels, created, new NetworkScoringEstimator.Options { Normalization = _options.Normalization })
            .Append(_context.Transforms.AdaptNetwork(Score, "Untrained", new NetworkAdaptationEstimator.Options
            {
                Epochs = 8,
                LearningRate = 0.1,
                WeightDecay = 5e-4,
                UpdateStatistics = true,
                HorizontalFlip = false,
                Seed = _options.Seed,
                Progress = progress,
                CancellationToken = cancellationToken,
            }));
        return Fit(training, _folder.Domains[0], cancellationToken);
    }

    /// <summary>A network from a file, with the normalization of its input as its first nodes.</summary>
    public Network Read(string path)
    {
        using var network = Network.LoadOnnx(path);
        return Fit(_context.Transforms.ApplyNetwork(Score, ImagePipeline.Pixels, network, new NetworkScoringEstimator.Options { Normalization = _options.Normalization }), _folder.Domains[0], default);
    }

    /// <summary>The source network, adapted to the labelled images of a domain.</summary>
    public Network Adapt(Network source, string domain, IProgress<FineTuningProgress> progress, CancellationToken cancellationToken) => Fit(
        _context.Transforms.ApplyNetwork("Source", ImagePipeline.Pixels, source)
            .Append(_context.Transforms.AdaptNetwork(Score, "Source", new NetworkAdaptationEstimator.Options
            {
                // A mirrored sign or letter is another one; whoever knows the images knows better.
                HorizontalFlip = _options.Data is not null,
                Seed = _options.Seed,
                Progress = progress,
                CancellationToken = cancellationToken,
            })),
        domain, cancellationToken);

    /// <summary>An adapted network, quantized on the images of its domain, without their labels.</summary>
    public Network Quantize(Network source, Network adapted, string domain, HdrqQuantizationEstimator.Options settings, IProgress<QuantizationProgress> progress, CancellationToken cancellationToken) => Fit(
        _context.Transforms.ApplyNetwork("Adapted", ImagePipeline.Pixels, adapted)
            .Append(_context.Transforms.QuantizeHdrq(Score, "Adapted", settings with { Source = source, Seed = _options.Seed, Progress = progress, CancellationToken = cancellationToken })),
        domain, cancellationToken);

    /// <summary>One network of several, without images.</summary>
    public Network Merge(IReadOnlyList<Network> networks) =>
        Fit(_context.Transforms.MergeNetworks(Score, ImagePipeline.Pixels, networks, new MergeOptions()), _folder.Domains[0], default);

    /// <summary>Top-1 accuracy of a network on the test images of every domain, a fraction, domain after domain.</summary>
    public IEnumerable<(string Domain, double Accuracy)> Accuracies(Network network, CancellationToken cancellationToken)
    {
        var scoring = _context.Transforms.ApplyNetwork(Score, ImagePipeline.Pixels, network, new NetworkScoringEstimator.Options { BatchSize = _options.BatchSize, ClassNames = _folder.Classes });
        using var scorer = scoring.Fit(Test(_folder.Domains[0], cancellationToken));
        foreach (var domain in _folder.Domains)
            yield return (domain, _context.MulticlassClassification.Evaluate(scorer.Transform(Test(domain, cancellationToken))).MicroAccuracy);
    }

    private IDataView Test(string domain, CancellationToken cancellationToken)
    {
        if (_tests.TryGetValue(domain, out var test))
            return test;
        test = _images.Read(domain, DataSplit.Test, cancellationToken);
        if (_folder.Files(domain, DataSplit.Test).Count * 3 * ImageSize <= MostCachedPixels)
            test = _context.Data.Cache(test, ImagePipeline.Pixels, ImagePipeline.Label);
        _tests.Add(domain, test);
        return test;
    }

    /// <summary>The network of an estimator that is fitted to the training images of a domain, in host memory.</summary>
    private Network Fit(IEstimator<NetworkTransformer> estimator, string domain, CancellationToken cancellationToken)
    {
        using var fitted = estimator.Fit(_images.Read(domain, DataSplit.Train, cancellationToken));
        return fitted.Network.To(TorchSharp.torch.CPU);
    }

    private Network Fit(EstimatorChain<NetworkTransformer> chain, string domain, CancellationToken cancellationToken)
    {
        using var fitted = chain.Fit(_images.Read(domain, DataSplit.Train, cancellationToken));
        return fitted.LastTransformer.Network.To(TorchSharp.torch.CPU);
    }
}
