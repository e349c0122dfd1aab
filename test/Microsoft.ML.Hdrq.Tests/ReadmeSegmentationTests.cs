using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests;

[TestClass]
public sealed class ReadmeSegmentationTests
{
    private sealed record Street(string Path, string MaskPath, string Domain);

    [TestMethod]
    public void Segmentation_runs_as_it_is_printed()
    {
        ReadmeCode.AssertIsPrinted("## Segmentation", "ReadmeSegmentationTests.cs", "segmentation");

        using var folder = new TemporaryDirectory();
        var streets = new List<Street>();
        foreach (var (domain, brightness) in new[] { ("day", 200), ("dusk", 90) })
        {
            for (var i = 0; i < 2; i++)
            {
                var street = new Street(folder.Combine($"{domain}{i}.png"), folder.Combine($"{domain}{i}.mask.png"), domain);
                using var bitmap = new SKBitmap(96, 64);
                bitmap.Erase(new SKColor((byte)brightness, (byte)(brightness / 2), (byte)(40 * i)));
                using (var file = File.Create(street.Path))
                    bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
                var mask = new byte[64, 96];
                for (var y = 0; y < 64; y++)
                {
                    for (var x = 0; x < 96; x++)
                        mask[y, x] = (byte)(y < 30 ? 0 : x < 50 ? 1 : y < 60 ? 2 : 11);
                }
                File.WriteAllBytes(street.MaskPath, SmallPng.Encode(mask));
                streets.Add(street);
            }
        }
        var ml = new MLContext(seed: 1);
        var metrics = Run(ml, ml.Data.LoadFromEnumerable(streets), steps: 1);
        CollectionAssert.AreEqual(new[] { "day", "dusk" }, metrics.Domains.Select(domain => domain.Domain).ToArray());
        CollectionAssert.AreEqual(new[] { "sky", "road", "car" }, metrics["day"].ClassNames.ToArray());
        // Of 96 x 64 pixels in each image, 46 x 4 have no class.
        Assert.AreEqual(2 * (96 * 64 - 46 * 4), metrics["dusk"].PixelCount);
    }

    private static MultiDomainMetrics<SegmentationMetrics> Run(MLContext ml, IDataView streets, int steps)
    {
        // <segmentation>
        using var segmenter = SegFormer.Create(encoder: 0, classes: 3, seed: 1);                               // or DeepLab.Create, or Network.LoadOnnx
        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, "Path").Append(ml.Transforms.ResizeImages("Image", 96, 64))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.LoadMasks("Label", "MaskPath", 96, 64, new() { IgnoredValue = 11 }))         // Vector<Byte, 64, 96>
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", segmenter, new() { ClassNames = ["sky", "road", "car"], BatchSize = 4 }))
            .Append(ml.Transforms.AdaptNetwork("Day", "Source", new() { CropSize = 48 }, new() { DomainColumnName = "Domain", Domain = "day" }))
            .Append(ml.Transforms.QuantizeHdrq("Score", "Day", new() { Training = new() { Iterations = steps } }, new() { CropSize = 48 })) // gives PredictedMask
            .Append(ml.Transforms.ColorMasks("Colored", "PredictedMask", "Image"));                            // an MLImage to look at
        var scored = pipeline.Fit(streets).Transform(streets);
        var metrics = ml.SemanticSegmentation.EvaluateByDomain(scored);                                        // mean IoU by domain, harmonic mean
        // </segmentation>
        return metrics;
    }
}
