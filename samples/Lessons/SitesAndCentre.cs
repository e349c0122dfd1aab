using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Transforms;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// Two sites adapt and quantize the same network, each on its own images, which do not leave it. What a site sends is
/// an ONNX file. A centre merges the files, without images, and saves a model that serves both sites.
/// </summary>
internal static class SitesAndCentre
{
    internal static readonly string[] Classes = ["no_entry", "parking", "priority_road", "yield"];

    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, Classes);
        var source = Path.Combine(folder, "source.onnx");
        TrainSource(Path.Combine(signs, "clear", "train"), source);

        // Each of these is a machine of its own, on any day, in any order.
        var fog = Path.Combine(folder, "fog.onnx");
        var night = Path.Combine(folder, "night.onnx");
        AtSite(Path.Combine(signs, "fog", "train"), source, fog);
        AtSite(Path.Combine(signs, "night", "train"), source, night);

        AtCentre([fog, night], signs, Path.Combine(folder, "merged.zip"));
    }

    /// <summary>Where everybody starts: here a small network that is trained in a few seconds.</summary>
    internal static void TrainSource(string images, string file)
    {
        var ml = new MLContext(seed: 1);
        using var untrained = ResNet.Cifar(depth: 8, Classes.Length, seed: 1, width: 8);
        var scoring = new ScoringOptions { Normalization = ChannelNormalization.ImageNet() };
        using var model = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Untrained", "Pixels", untrained, scoring))
            .Append(ml.Transforms.AdaptNetwork("Score", "Untrained", new()
            {
                Epochs = 12,
                BatchSize = 16,
                LearningRate = 0.05,
                UpdateStatistics = true,
                Moments = SentMoments.Nothing,
                HorizontalFlip = false,
            }))
            .Fit(Images(ml, images));
        model.LastTransformer.SaveOnnx(file);
    }

    /// <summary>The site needs the source network and its own images; those that it adapts on have a class.</summary>
    internal static void AtSite(string images, string sourceFile, string file)
    {
        var ml = new MLContext(seed: 1);
        using var source = Network.LoadOnnx(sourceFile);
        // The source is the first network of the pipeline, so HDRQ keeps the quantized network near it.
        using var model = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", source))
            .Append(ml.Transforms.AdaptNetwork("Adapted", "Source", new()
            {
                Epochs = 10,
                BatchSize = 16,
                LearningRate = 2e-4,
                HorizontalFlip = false,
                Moments = SentMoments.Nothing,                                         // what is merged is quantized
            }))
            .Append(ml.Transforms.QuantizeHdrq("Score", "Adapted", new()
            {
                WeightBits = 4,
                ActivationBits = 4,
                Training = new() { Iterations = 50 },
            }))
            .Fit(Images(ml, images));
        var report = model.LastTransformer.SaveOnnx(file);
        Console.WriteLine($"{Path.GetFileName(file)}: {report.Summary}");
    }

    /// <summary>The centre has files from the sites, and here some images of both weathers to test on.</summary>
    private static void AtCentre(string[] files, string signs, string modelFile)
    {
        var ml = new MLContext(seed: 1);
        foreach (var file in files)
        {
            var made = Network.ReadOnnxMetadata(file);
            Console.WriteLine(
                $"{Path.GetFileName(file)}: {made[NetworkMetadata.Method]}, W{made[NetworkMetadata.WeightBits]}"
                + $"A{made[NetworkMetadata.ActivationBits]}, {made[NetworkMetadata.CalibrationImages]} images, source "
                + $"{made[NetworkMetadata.Source][..12]}");
        }
        var networks = Array.ConvertAll(files, Network.LoadOnnx);
        var domains = Array.ConvertAll(files, file => Path.GetFileNameWithoutExtension(file)!);
        var test = Images(ml, [.. domains.Select(domain => Path.Combine(signs, domain, "test"))]);
        // Files do not name the classes: the centre does, in the order of the scores.
        var scoring = new ScoringOptions { ClassNames = Classes };
        using var model = Reading(ml)
            .Append(ml.Transforms.MergeNetworks("Score", "Pixels", networks, new(), scoring))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel"))
            .Fit(test);
        Array.ForEach(networks, network => network.Dispose());

        var metrics = ml.MulticlassClassification.EvaluateByDomain(model.Transform(test));
        foreach (var domain in metrics.Domains)
            Console.WriteLine($"merged, {domain.Domain}: {domain.Score:P1} of the test images");
        ml.Model.Save(model.Only(test.Schema, "Score", "Prediction"), test.Schema, modelFile);
        Console.WriteLine($"{Path.GetFileName(modelFile)}: {new FileInfo(modelFile).Length:N0} bytes");
    }

    /// <summary>From files to pixels and labels.</summary>
    internal static EstimatorChain<ValueToKeyMappingTransformer> Reading(MLContext ml) =>
        ml.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageFile.Path))
            .Append(ml.Transforms.ResizeImages("Image", imageWidth: 32, imageHeight: 32))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.Conversion.MapValueToKey(
                "Label", nameof(ImageFile.Class), keyOrdinality: KeyOrdinality.ByValue));

    internal static IDataView Images(MLContext ml, params string[] folders) => ml.Data.LoadFromEnumerable(
        from folder in folders                                                  // .../<domain>/<train|test>
        from path in Directory.GetFiles(folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        let parts = path.Split(Path.DirectorySeparatorChar)
        select new ImageFile(path, Class: parts[^2], Domain: parts[^4]));

    private sealed record ImageFile(string Path, string Class, string Domain);
}
