using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tests.Build;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests;

[TestClass]
public sealed class ReadmeTests
{
    private sealed class ImageFile
    {
        public string Path { get; set; } = "";
    }

    [TestMethod]
    public void Quick_start_runs_as_it_is_printed()
    {
        var source = File.ReadAllLines(Path.Combine(Repository.Root, "test", "Microsoft.ML.Hdrq.Tests", "ReadmeTests.cs"));
        var code = Between(source, line => line.Trim() == "// <quick start>", line => line.Trim() == "// </quick start>").Select(line => line.Length > 8 ? line[8..] : "");
        var readme = File.ReadAllLines(Path.Combine(Repository.Root, "README.md"));
        CollectionAssert.AreEqual(Between(readme, line => line == "```csharp", line => line == "```").ToArray(), code.ToArray());

        using var folder = new TemporaryDirectory();
        Directory.CreateDirectory(Path.Combine(folder.Path, "images"));
        for (var i = 0; i < 3; i++)
        {
            using var bitmap = new SKBitmap(40, 30);
            bitmap.Erase(new SKColor((byte)(80 * i), 100, 200));
            using var file = File.Create(Path.Combine(folder.Path, "images", $"{i}.png"));
            bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
        }
        using (var network = ResNet.Cifar(8, 3, seed: 1, width: 4))
            network.SaveOnnx(Path.Combine(folder.Path, "network.onnx"));
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
        Assert.HasCount(3, lines);
        foreach (var line in lines)
            CollectionAssert.Contains(new[] { "cat", "dog", "horse" }, line);
        Assert.IsTrue(File.Exists(Path.Combine(folder.Path, "model.zip")));
    }

    private static void QuickStart()
    {
        // <quick start>
        var ml = new MLContext(seed: 1);
        using var network = Network.LoadOnnx("network.onnx");
        var images = ml.Data.LoadFromEnumerable(Directory.GetFiles("images").Select(path => new ImageFile { Path = path }));

        var pipeline = ml.Transforms.LoadImages("Image", imageFolder: null, "Path")
            .Append(ml.Transforms.ResizeImages("Image", 32, 32))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.ApplyNetwork("Score", "Pixels", network, new()
            {
                Normalization = ChannelNormalization.ImageNet(),
                ClassNames = ["cat", "dog", "horse"],
            }))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Class", "PredictedLabel"));

        var model = pipeline.Fit(images);
        foreach (var name in model.Transform(images).GetColumn<string>("Class"))
            Console.WriteLine(name);
        ml.Model.Save(model, images.Schema, "model.zip");
        // </quick start>
    }

    private static IEnumerable<string> Between(string[] lines, Func<string, bool> isStart, Func<string, bool> isEnd) =>
        lines.SkipWhile(line => !isStart(line)).Skip(1).TakeWhile(line => !isEnd(line));
}
