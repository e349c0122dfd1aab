using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Transforms;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// How many bits has which layer? You say what all weights may take, or how many predictions may change, and the layers
/// get from 2 to 8 bits each. Networks can be merged only where their bits agree. Bits that follow from a size are the
/// same at all sites, because they depend on the source's weights alone; others are handed on by the first site.
/// </summary>
internal static class BitBudget
{
    private static readonly string[] _classes = ["no_entry", "parking", "priority_road", "yield"];

    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, _classes);
        var ml = new MLContext(seed: 1);
        var train = Images(ml, signs, "train");
        var test = Images(ml, signs, "test");
        var (clear, fog, night) = (Of("clear"), Of("fog"), Of("night"));

        // A small network for clear weather, which is then adapted to fog and to night.
        using var untrained = ResNet.Cifar(depth: 8, _classes.Length, seed: 1, width: 8);
        var scoring = new ScoringOptions { Normalization = ChannelNormalization.ImageNet() };
        using var trained = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Untrained", "Pixels", untrained, scoring))
            .Append(ml.Transforms.AdaptNetwork("Source", "Untrained", new()
            {
                Epochs = 12,
                BatchSize = 16,
                LearningRate = 0.05,
                UpdateStatistics = true,
                HorizontalFlip = false,
            }, clear))
            .Fit(train);
        var source = trained.LastTransformer.Network;
        var adaptation = new AdaptationOptions { BatchSize = 16, LearningRate = 0.002, HorizontalFlip = false };
        using var adapted = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", source))
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", adaptation, fog))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", adaptation, night))
            .Fit(train);
        var images = adapted.Transform(train);
        var testPixels = Reading(ml).Fit(test).Transform(test);

        // What all layers' weights would take at 3 bits each.
        var weights = source.Parameters.Values.Where(values => values.dim() > 1).Sum(values => values.numel());
        var fourBits = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = 60 } };
        var budgets = new Dictionary<string, HdrqOptions>
        {
            ["4 bits, 8 in the first and the last layer"] = fourBits,
            ["at most 3 bits on average"] = fourBits with { BitBudget = new() { TargetSize = weights * 3 / 8 } },
            ["at most 20 % of the predictions change before training"] =
                fourBits with { BitBudget = new() { MaxAccuracyDrop = 0.2 } },
        };
        foreach (var (name, options) in budgets)
        {
            using var atFog = ml.Transforms.QuantizeHdrq("FogQuantized", "Fog", options, fog).Fit(images);
            // A budget in predictions is measured on a site's own images, so the first site hands its bits on.
            var sameBits = options with { BitBudget = null, Overrides = LayerOverride.Of(atFog.Network) };
            using var atNight = ml.Transforms.QuantizeHdrq("NightQuantized", "Night", sameBits, night).Fit(images);
            using var merged = ml.Transforms.MergeNetworks("Score", "FogQuantized", "NightQuantized")
                .Fit(atNight.Transform(atFog.Transform(images)));

            var report = merged.SaveOnnx(Path.Combine(folder, "bit-budget.onnx"));
            var metrics = ml.MulticlassClassification.EvaluateByDomain(merged.Transform(testPixels));
            Console.WriteLine(
                $"{name}: {report.FileSize:N0} bytes, {metrics["fog"].MicroAccuracy:P1} right in fog, "
                + $"{metrics["night"].MicroAccuracy:P1} at night");
            Console.WriteLine("  " + string.Join(", ", report.Layers.Select(layer => $"{layer.Name} {layer.WeightBits}")));
        }
    }

    private static RowOptions Of(string domain) =>
        new() { DomainColumnName = nameof(ImageFile.Domain), Domain = domain };

    /// <summary>From files to pixels and labels.</summary>
    private static EstimatorChain<ValueToKeyMappingTransformer> Reading(MLContext ml) =>
        ml.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageFile.Path))
            .Append(ml.Transforms.ResizeImages("Image", imageWidth: 32, imageHeight: 32))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.Conversion.MapValueToKey(
                "Label", nameof(ImageFile.Class), keyOrdinality: KeyOrdinality.ByValue));

    // <folder>/<domain>/<train|test>/<class>/<file>
    private static IDataView Images(MLContext ml, string folder, string split) => ml.Data.LoadFromEnumerable(
        from path in Directory.GetFiles(folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        let parts = path.Split(Path.DirectorySeparatorChar)
        where parts[^3] == split
        select new ImageFile(path, Domain: parts[^4], Class: parts[^2]));

    private sealed record ImageFile(string Path, string Domain, string Class);
}
