using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tests.Build;
using SkiaSharp;
using TorchSharp;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>The code of the package's own README is compiled and run.</summary>
[TestClass]
public sealed class PackageReadmeTests
{
    private static readonly string[] _classes = ["cat", "dog"];

    private sealed record ImageFile(string Path, string Domain, string Class);

    [TestMethod]
    public void The_pipeline_runs_as_it_is_printed()
    {
        var document = Path.GetRelativePath(Repository.Root, Repository.PackageReadme);
        ReadmeCode.AssertIsPrinted("## The pipeline", "PackageReadmeTests.cs", "pipeline", document);
        ReadmeCode.AssertIsPrinted("## Deployment needs nothing of it", "PackageReadmeTests.cs", "deployment", document);

        using var folder = new TemporaryDirectory();
        foreach (var domain in new[] { "fog", "night" })
        {
            foreach (var (index, name) in _classes.Index())
                WriteImages(Directory.CreateDirectory(folder.Combine("images", domain, name)).FullName, index);
        }
        using (var network = SmallNetwork())
            network.SaveOnnx(folder.Combine("source.onnx"));
        var directory = Environment.CurrentDirectory;
        string[] predictions;
        try
        {
            Environment.CurrentDirectory = folder.Path;
            predictions = Run();
        }
        finally
        {
            Environment.CurrentDirectory = directory;
        }
        Assert.HasCount(8, predictions);
        foreach (var prediction in predictions)
            CollectionAssert.Contains(_classes, prediction);
    }

    private static string[] Run()
    {
        // <pipeline>
        var ml = new MLContext(seed: 1);
        using var network = Network.LoadOnnx("source.onnx");
        var images = ml.Data.LoadFromEnumerable(
            from path in Directory.GetFiles("images", "*.png", SearchOption.AllDirectories)
            let folders = path.Split(Path.DirectorySeparatorChar)           // images/<domain>/<class>/<file>
            select new ImageFile(path, Domain: folders[1], Class: folders[2]));

        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, "Path")
            .Append(ml.Transforms.ResizeImages("Image", 32, 32))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.Conversion.MapValueToKey("Label", "Class", keyOrdinality: KeyOrdinality.ByValue))
            .Append(ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = ["cat", "dog"] }))
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", domain: "fog", domainColumnName: "Domain"))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", domain: "night", domainColumnName: "Domain"))
            .Append(ml.Transforms.QuantizeHdrq("Fog4", "Fog", weightBits: 4, activationBits: 4, domain: "fog"))
            .Append(ml.Transforms.QuantizeHdrq("Night4", "Night", weightBits: 4, activationBits: 4, domain: "night"))
            .Append(ml.Transforms.MergeNetworks("Score", "Fog4", "Night4"))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel"));

        var model = pipeline.Fit(images);                                   // adapts, quantizes and merges
        var merged = model.Only(images.Schema, "Score", "Prediction");      // without what only led there
        ml.Model.Save(merged, images.Schema, "merged.zip");
        // </pipeline>

        // <deployment>
        var served = ml.Model.Load("merged.zip", out _);
        var predictions = served.Transform(images).GetColumn<string>("Prediction");
        // </deployment>
        return [.. predictions];
    }

    /// <summary>The mean of each channel and a linear layer, [N, 3, 32, 32] to [N, 2]: the code has the default options, which train a block for a thousand steps.</summary>
    private static Network SmallNetwork()
    {
        using var builder = new NetworkBuilder();
        builder.Input("image", -1, 3, 32, 32);
        builder.Parameter("linear.weight", torch.tensor(new[] { 0.01f, 0.002f, -0.004f, -0.003f, 0.005f, 0.001f }, [2, 3]));
        builder.Parameter("linear.bias", torch.zeros(2));
        builder.Node("GlobalAveragePool", "pool", ["image"]);
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", "scores", ["flat", "linear.weight", "linear.bias"], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2]));
    }

    private static void WriteImages(string folder, int index)
    {
        for (var i = 0; i < 2; i++)
        {
            using var bitmap = new SKBitmap(40, 30);
            bitmap.Erase(new SKColor((byte)(60 + 120 * index), (byte)(40 * i), 100));
            using var file = File.Create(Path.Combine(folder, $"{i}.png"));
            bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
        }
    }
}
