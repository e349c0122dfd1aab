using ImageClassificationMerge.Data;
using ImageClassificationMerge.Results;
using ImageClassificationMerge.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
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
    public (Network Network, string Name) Obtain(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
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
        var pipeline = new ImagePipeline(context, folder, height, width);
        using var initial = Normalized(created, pipeline);
        using var scope = torch.NewDisposeScope();
        var (images, labels) = LoadAll(pipeline, folder.Domains[0], cancellationToken);
        var device = options.GpuDeviceId is { } id ? torch.device(DeviceType.CUDA, id) : torch.CPU;
        var trained = SourceTraining.Train(initial, images, labels, new TrainingOptions(), options.Seed, device, progress, cancellationToken);
        return (trained, $"ResNet-14 trained on {folder.Domains[0]}");
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

    private static (torch.Tensor Images, torch.Tensor Labels) LoadAll(ImagePipeline pipeline, string domain, CancellationToken cancellationToken)
    {
        var rows = pipeline.Rows(domain, DataSplit.Train, progress: null, cancellationToken);
        var data = pipeline.Preprocessing.Fit(rows).Transform(rows);
        var pixels = data.GetColumn<float[]>(ImagePipeline.Pixels).Select(values => torch.tensor(values, [3, pipeline.Height, pipeline.Width])).ToList();
        // Keys start at 1.
        var labels = data.GetColumn<uint>(ImagePipeline.Label).Select(key => key - 1L).ToArray();
        return (torch.stack(pixels), torch.tensor(labels));
    }
}
