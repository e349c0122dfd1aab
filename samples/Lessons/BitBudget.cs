using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
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
    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, SitesAndCentre.Classes);
        var ml = new MLContext(seed: 1);
        var train = Images(ml, signs, "train");
        var test = Images(ml, signs, "test");
        var (fog, night) = (Of("fog"), Of("night"));

        // A small network for clear weather, which is then adapted to fog and to night: that of the lesson
        // sites-and-centre. Full-precision networks are not merged here, and so need no Gram matrices.
        var sourceFile = Path.Combine(folder, "source.onnx");
        if (!File.Exists(sourceFile))
            SitesAndCentre.TrainSource(Path.Combine(signs, "clear", "train"), sourceFile);
        using var source = Network.LoadOnnx(sourceFile);
        var adaptation = new AdaptationOptions
        {
            Epochs = 10,
            BatchSize = 16,
            LearningRate = 2e-4,
            HorizontalFlip = false,
            Moments = SentMoments.Nothing,
        };
        using var adapted = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", source))
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", adaptation, fog))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", adaptation, night))
            .Fit(train);
        var images = adapted.Transform(train);
        var testPixels = Reading(ml).Fit(test).Transform(test);

        // What all layers' weights would take at 3 bits each.
        var weights = source.Parameters.Values.Where(values => values.dim() > 1).Sum(values => values.numel());
        var fourBits = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = 50 } };
        var budgets = new Dictionary<string, HdrqOptions>
        {
            ["4 bits, 8 in the first and the last layer"] = fourBits,
            ["at most 3 bits on average"] = fourBits with { BitBudget = new() { TargetSize = weights * 3 / 8 } },
            ["at most 20 % of the predictions change before training"] =
                fourBits with { BitBudget = new() { MaxAccuracyDrop = 0.2 } },
        };
        foreach (var (name, options) in budgets)
        {
            using var atFog = ml.Transforms.QuantizeHdrq("FogQuantized", "Fog", options, fog with { MaxRows = 64 })
                .Fit(images);
            // A budget in predictions is measured on a site's own images, so the first site hands its bits on.
            var sameBits = options with { BitBudget = null, Overrides = LayerOverride.Of(atFog.Network) };
            using var atNight = ml.Transforms
                .QuantizeHdrq("NightQuantized", "Night", sameBits, night with { MaxRows = 64 })
                .Fit(images);
            using var merged = ml.Transforms.MergeNetworks("Score", "FogQuantized", "NightQuantized")
                .Fit(atNight.Transform(atFog.Transform(images)));

            var report = merged.SaveOnnx(Path.Combine(folder, "bit-budget.onnx"));
            var metrics = ml.MulticlassClassification.EvaluateByDomain(merged.Transform(testPixels));
            Console.WriteLine(
                $"{name}: {report.FileSize:N0} bytes, {metrics["fog"].MicroAccuracy:P1} right in fog, "
                + $"{metrics["night"].MicroAccuracy:P1} at night");
            var bits = report.Layers.Select(layer => $"{layer.Name} {layer.WeightBits}");
            Console.WriteLine($"  {string.Join(", ", bits)}");
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
