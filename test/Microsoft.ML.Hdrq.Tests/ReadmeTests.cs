using System.IO.Compression;
using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using SkiaSharp;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Microsoft.ML.Hdrq.Tests;

[TestClass]
public sealed class ReadmeTests
{
    private const string AnalysisMark = "-- analysis";

    private sealed record ImageFile(string Path, string Domain, string Class);

    [TestMethod]
    public void Quick_start_and_analysis_run_as_they_are_printed()
    {
        ReadmeCode.AssertIsPrinted("## The pipeline", "ReadmeTests.cs", "quick start");
        ReadmeCode.AssertIsPrinted("## Why a merge works, and which layer hurts", "ReadmeTests.cs", "analysis");

        using var folder = new TemporaryDirectory();
        string[] classes = ["cat", "dog", "horse"];
        foreach (var (domain, brightness) in new[] { ("fog", 140), ("night", 0) })
        {
            foreach (var (index, name) in classes.Index())
            {
                Directory.CreateDirectory(Path.Combine(folder.Path, "images", domain, name));
                for (var i = 0; i < 2; i++)
                {
                    using var bitmap = new SKBitmap(40, 30);
                    bitmap.Erase(new SKColor((byte)(brightness + 40 * index), (byte)(brightness + 30 * i), 100));
                    using var file = File.Create(Path.Combine(folder.Path, "images", domain, name, $"{i}.png"));
                    bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
                }
            }
        }
        using (var network = ResNet.Cifar(8, classes.Length, seed: 1, width: 4))
            network.SaveOnnx(Path.Combine(folder.Path, "source.onnx"));
        var (directory, output) = (Environment.CurrentDirectory, Console.Out);
        using var printed = new StringWriter();
        try
        {
            Environment.CurrentDirectory = folder.Path;
            Console.SetOut(printed);
            QuickStart();
        }
        finally
        {
            Console.SetOut(output);
            Environment.CurrentDirectory = directory;
        }
        var lines = printed.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        var predictions = lines.TakeWhile(line => line != AnalysisMark).ToList();
        Assert.HasCount(12, predictions);
        foreach (var line in predictions)
            CollectionAssert.Contains(classes, line);
        var analysis = printed.ToString().Split(AnalysisMark)[1];
        StringAssert.Contains(analysis, "FogQuantized - NightQuantized: barrier ");
        Assert.HasCount(3, Regex.Matches(analysis, """new\(@"\^.*\$"\) \{ WeightBits = 8"""), analysis);
        // One network is in the file, its weights as integers; the source alone has more bytes.
        var saved = new FileInfo(Path.Combine(folder.Path, "merged.zip"));
        Assert.IsTrue(saved.Exists);
        using var archive = ZipFile.OpenRead(saved.FullName);
        Assert.HasCount(1, archive.Entries.Where(entry => entry.FullName.EndsWith("Model", StringComparison.Ordinal)));
    }

    private static void QuickStart()
    {
        // <quick start>
        var ml = new MLContext(seed: 1);
        using var source = Network.LoadOnnx("source.onnx");
        var images = ml.Data.LoadFromEnumerable(
            from path in Directory.GetFiles("images", "*.png", SearchOption.AllDirectories)                    // images/<domain>/<class>/<file>
            let folders = path.Split(Path.DirectorySeparatorChar)
            select new ImageFile(path, Domain: folders[1], Class: folders[2]));

        var fog = new RowOptions { DomainColumnName = "Domain", Domain = "fog" };
        var night = fog with { Domain = "night" };
        var fourBits = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = 500 } };
        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, "Path")
            .Append(ml.Transforms.ResizeImages("Image", 32, 32))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.Conversion.MapValueToKey("Label", "Class", keyOrdinality: KeyOrdinality.ByValue))
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", source, new() { Normalization = ChannelNormalization.ImageNet(), ClassNames = ["cat", "dog", "horse"] }))
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", rows: fog))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", rows: night))
            .Append(ml.Transforms.QuantizeHdrq("FogQuantized", "Fog", fourBits, fog))
            .Append(ml.Transforms.QuantizeHdrq("NightQuantized", "Night", fourBits, night))
            .Append(ml.Transforms.MergeNetworks("Score", "FogQuantized", "NightQuantized"))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel"));

        var model = pipeline.Fit(images);                                                                      // adapts, quantizes and merges
        var merged = model.Only(images.Schema, "Score", "Prediction");                                         // without what only led there
        foreach (var prediction in merged.Transform(images).GetColumn<string>("Prediction"))
            Console.WriteLine(prediction);
        ml.Model.Save(merged, images.Schema, "merged.zip");
        // </quick start>

        Console.WriteLine(AnalysisMark);
        // <analysis>
        var data = model.Transform(images);
        Console.WriteLine(ml.Model.InterpolateNetworks(data, ["FogQuantized", "NightQuantized"], rows: fog));  // curve and barrier
        Console.WriteLine(ml.Model.CompareNetworks(data, ["Fog", "FogQuantized"], rows: fog));                 // curvature, distance, barriers: one table
        var layers = ml.Model.MeasureSensitivity(data, "FogQuantized", "Fog", rows: fog);
        Console.WriteLine(layers.OverridesCode(3));                                                            // the three worst at 8 bits, to paste
        // </analysis>
    }
}
