using Microsoft.ML;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using static Microsoft.ML.Transforms.Image.ImagePixelExtractingEstimator;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// A few images and classes of your own: a ResNet-18 that has learned from ImageNet gets a new head. The network is in
/// the package Microsoft.ML.DnnImageFeaturizer.ResNet18, which puts its file beside the application.
/// </summary>
internal static class Pretrained
{
    private const int Size = 64;

    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "pretrained-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 24, testPerClass: 12, SitesAndCentre.Classes);
        var ml = new MLContext(seed: 1);
        var train = Images(ml, Path.Combine(signs, "clear", "train"));
        var test = Images(ml, Path.Combine(signs, "clear", "test"));

        // It gives 512 features of an image and knows no classes. Its head is new, so it guesses before it is trained.
        var file = Path.Combine(AppContext.BaseDirectory, "DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");
        using var features = Network.LoadOnnx(file);
        using var network = features.WithClassifier(SitesAndCentre.Classes, seed: 1);

        // It wants blue, green and red from 0 to 255, less their means over ImageNet.
        var scoring = new ScoringOptions { Normalization = new([103.06f, 115.90f, 123.15f], [1, 1, 1]) };
        var training = new AdaptationOptions
        {
            Epochs = 3,
            BatchSize = 12,
            LearningRate = 0.003,
            UpdateStatistics = true, // these images are smaller than those that it has seen
            HorizontalFlip = false,
            Moments = SentMoments.Nothing,
        };
        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageFile.Path))
            .Append(ml.Transforms.ResizeImages("Image", Size, Size))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image", orderOfExtraction: ColorsOrder.ABGR))
            .Append(ml.Transforms.Conversion.MapValueToKey(
                "Label", nameof(ImageFile.Class), keyOrdinality: KeyOrdinality.ByValue))
            .Append(ml.Transforms.ApplyNetwork("Untrained", "Pixels", network, scoring))
            .Append(ml.Transforms.AdaptNetwork("Score", "Untrained", training));
        using var model = pipeline.Fit(train);

        var metrics = ml.MulticlassClassification.EvaluateByDomain(model.Transform(test));
        Console.WriteLine(
            $"{metrics["clear"].MicroAccuracy:P1} of the test images right, of {SitesAndCentre.Classes.Length} classes");
        model.LastTransformer.SaveOnnx(Path.Combine(folder, "pretrained.onnx"));
    }

    private static IDataView Images(MLContext ml, string folder) => ml.Data.LoadFromEnumerable(
        from path in Directory.GetFiles(folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        select new ImageFile(path, Domain: "clear", Class: Path.GetFileName(Path.GetDirectoryName(path)!)));

    private sealed record ImageFile(string Path, string Domain, string Class);
}
