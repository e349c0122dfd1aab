using ImageClassificationMerge.Data;
using ImageClassificationMerge.Results;
using Microsoft.ML;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using TorchSharp;

namespace ImageClassificationMerge.Stages;

/// <summary>The source network and its accuracy in every domain.</summary>
internal sealed class SourceStage(MLContext context, DomainFolder folder, SampleOptions options)
{
    /// <summary>Reads the source network, or trains one on the first domain.</summary>
    /// <returns>The network with its normalization, owned by the caller, and its name.</returns>
    public (Network Network, string Name) Obtain(IProgress<FineTuningProgress>? progress, CancellationToken cancellationToken)
    {
        if (options.Network is not null)
        {
            using var loaded = Network.LoadOnnx(options.Network);
            var (inputHeight, inputWidth) = ImagePipeline.InputSize(loaded, folder);
            return (Normalized(loaded, new ImagePipeline(context, folder, inputHeight, inputWidth)), Path.GetFileNameWithoutExtension(options.Network));
        }
        var (height, width) = ImagePipeline.FirstImageSize(folder);
        if (height != width)
            throw new InvalidDataException($"The images are {width} x {height} pixels; to train a network they must be square. Give a network with --network.");
        using var created = ResNet.Cifar(depth: 14, folder.Classes.Count, options.Seed, width: 16, inputSize: height);
        var images = new ImagePipeline(context, folder, height, width);
        var training = images.Preprocessing
            .Append(context.Transforms.ApplyNetwork("Untrained", ImagePipeline.Pixels, created, new NetworkScoringEstimator.Options { Normalization = options.Normalization }))
            .Append(context.Transforms.AdaptNetwork("Score", "Untrained", new NetworkAdaptationEstimator.Options
            {
                Epochs = 8,
                LearningRate = 0.1,
                WeightDecay = 5e-4,
                UpdateStatistics = true,
                HorizontalFlip = false,
                Seed = options.Seed,
                Progress = progress,
                CancellationToken = cancellationToken,
            }));
        using var trained = training.Fit(images.Rows(folder.Domains[0], DataSplit.Train, progress: null, cancellationToken));
        return (trained.LastTransformer.Network.To(torch.CPU), $"ResNet-14 trained on {folder.Domains[0]}");
    }

    /// <summary>Top-1 accuracy of a network on the test images of a domain.</summary>
    public double Evaluate(Network network, string domain, IProgress<int>? progress, CancellationToken cancellationToken)
    {
        var (height, width) = ImagePipeline.InputSize(network, folder);
        var images = new ImagePipeline(context, folder, height, width);
        var scoring = context.Transforms.ApplyNetwork("Score", ImagePipeline.Pixels, network, new NetworkScoringEstimator.Options
        {
            BatchSize = options.BatchSize,
            ClassNames = folder.Classes,
        });
        var rows = images.Rows(domain, DataSplit.Test, progress, cancellationToken);
        var model = images.Preprocessing.Append(scoring).Fit(rows);
        using var scorer = model.LastTransformer;
        return context.MulticlassClassification.Evaluate(model.Transform(rows)).MicroAccuracy;
    }

    /// <summary>The stage's row in the results.</summary>
    public static ResultRow Row(string network, IEnumerable<KeyValuePair<string, double>> accuracies) =>
        new() { Stage = "source", Method = "FP32", Network = network, Domains = new OrderedDictionary<string, double>(accuracies) };

    /// <summary>The network with the normalization of its input as its first nodes.</summary>
    private Network Normalized(Network network, ImagePipeline pipeline)
    {
        var rows = pipeline.Rows(folder.Domains[0], DataSplit.Train, progress: null, CancellationToken.None);
        using var applied = context.Transforms.ApplyNetwork("Score", ImagePipeline.Pixels, network, new NetworkScoringEstimator.Options { Normalization = options.Normalization })
            .Fit(pipeline.Preprocessing.Fit(rows).Transform(rows));
        return applied.Network.To(torch.CPU);
    }
}
