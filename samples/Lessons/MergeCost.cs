using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Transforms;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// What does a merge cost? Merged by their mean, two networks become one that lies between them, where the loss may be
/// higher than at both: there is a barrier. It is low where the networks are near their source and the loss is flat
/// around them, which HDRQ quantizes for. Rounding to nearest is measured beside it.
/// </summary>
internal static class MergeCost
{
    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, SitesAndCentre.Classes);
        var ml = new MLContext(seed: 1);
        var train = Images(ml, signs, "train");
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
        var hdrq = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = 50 } };
        var nearest = new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4 };
        using var model = Reading(ml)
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", source))
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", adaptation, fog))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", adaptation, night))
            .Append(ml.Transforms.QuantizeHdrq("FogHdrq", "Fog", hdrq, fog))
            .Append(ml.Transforms.QuantizeHdrq("NightHdrq", "Night", hdrq, night))
            .Append(ml.Transforms.QuantizeNetwork("FogNearest", "Fog", nearest, fog))
            .Append(ml.Transforms.QuantizeNetwork("NightNearest", "Night", nearest, night))
            .Fit(train);

        // Labelled images that nothing was trained on, of both weathers.
        var test = Images(ml, signs, "test", "fog", "night");
        var data = model.Transform(test);

        // The way from one network to the other: 0 % to 100 % of the second, in four steps.
        foreach (var pair in new[] { ("Fog", "Night"), ("FogHdrq", "NightHdrq"), ("FogNearest", "NightNearest") })
            Console.WriteLine(ml.Model.InterpolateNetworks(data, [pair.Item1, pair.Item2], new() { Steps = 4 }));

        // Why: how strongly the loss bends at each network, and how far each is from the source.
        var quick = new AnalysisOptions { Steps = 2, Probes = 2, PowerIterations = 3 };
        Console.WriteLine(ml.Model.CompareNetworks(
            data, ["Fog", "FogHdrq", "FogNearest"], quick, new() { MaxRows = 64 }));
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
    private static IDataView Images(MLContext ml, string folder, string split, params string[] domains) =>
        ml.Data.LoadFromEnumerable(
            from path in Directory.GetFiles(folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            let parts = path.Split(Path.DirectorySeparatorChar)
            where parts[^3] == split && (domains.Length == 0 || domains.Contains(parts[^4]))
            select new ImageFile(path, Domain: parts[^4], Class: parts[^2]));

    private sealed record ImageFile(string Path, string Domain, string Class);
}
