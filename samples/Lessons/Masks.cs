using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline.Masks;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// Masks: how they are loaded, what of them counts, how well a network's masks agree with them, and how both look.
/// </summary>
internal static class Masks
{
    public static void Run(string folder)
    {
        var streets = Path.Combine(folder, "streets");
        StreetScenes.Draw(streets, seed: 1, train: 60, test: 6);
        var ml = new MLContext(seed: 1);
        var (train, test) = (Rows(ml, streets, "train"), Rows(ml, streets, "test"));

        // A mask is a grey or indexed PNG file with a number in each pixel. The numbers in these files are 0 sky,
        // 1 road, 2 pavement, 3 building, 4 tree and 5 car. Road and pavement shall be one class here, and cars none:
        // their pixels are neither learned nor counted. Values without an entry have no class either.
        string[] classes = ["sky", "ground", "building", "tree"];
        var loading = new MaskLoadingOptions
        {
            ClassMap = new Dictionary<byte, byte> { [0] = 0, [1] = 1, [2] = 1, [3] = 2, [4] = 3 },
            IgnoredValue = 5,
        };

        // Masks are as large as what the network reads. A network that classifies pixels gives a PredictedMask.
        using var untrained = DeepLab.Small(
            classes.Length, seed: 1, StreetScenes.Height, StreetScenes.Width, channels: 6);
        var training = new AdaptationOptions
        {
            Epochs = 8,
            BatchSize = 8,
            Optimizer = FineTuningOptimizer.AdamW,
            LearningRate = 5e-3,
            UpdateStatistics = true,
            Moments = SentMoments.Nothing,
        };
        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, "ImagePath")
            .Append(ml.Transforms.ResizeImages("Image", StreetScenes.Width, StreetScenes.Height))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.LoadMasks("Label", "MaskPath", StreetScenes.Width, StreetScenes.Height, loading))
            .Append(ml.Transforms.ApplyNetwork("Untrained", "Pixels", untrained, new() { ClassNames = classes }))
            .Append(ml.Transforms.AdaptNetwork("Score", "Untrained", training))
            .Append(ml.Transforms.ColorMasks("Truth", "Label", "Image"))
            .Append(ml.Transforms.ColorMasks("Prediction", "PredictedMask", "Image", new() { Opacity = 0.8 }));
        using var model = pipeline.Fit(train);
        var scored = model.Transform(test);

        // Intersection over union: of the pixels that are of a class or are predicted to be, the share that are both.
        var metrics = ml.SemanticSegmentation.Evaluate(scored);
        foreach (var (name, overlap) in metrics.ClassNames.Zip(metrics.PerClassIntersectionOverUnion))
            Console.WriteLine($"{name,-10}{100 * overlap,6:0.0} %");
        Console.WriteLine($"{"mean",-10}{100 * metrics.MeanIntersectionOverUnion,6:0.0} %");
        Console.WriteLine($"{100 * metrics.PixelAccuracy:0.0} % of {metrics.PixelCount:N0} pixels that have a class");

        // Pixels without a class keep the image's colours. A cursor may reuse an image, so each is saved as it comes.
        foreach (var column in new[] { "Truth", "Prediction" })
        {
            foreach (var (number, image) in scored.GetColumn<MLImage>(column).Index())
                image.Save(Path.Combine(folder, $"{column}{number}.png"));
        }
        Console.WriteLine($"The pictures are in {Path.GetFullPath(folder)}.");
    }

    private static IDataView Rows(MLContext ml, string streets, string split) => ml.Data.LoadFromEnumerable(
        from image in Directory.GetFiles(Path.Combine(streets, "day", split, "images")).Order(StringComparer.Ordinal)
        select new Row(image, Path.Combine(streets, "day", split, "labels", Path.GetFileName(image))));

    private sealed record Row(string ImagePath, string MaskPath);
}
