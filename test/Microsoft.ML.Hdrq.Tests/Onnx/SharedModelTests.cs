using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>The pretrained networks, which are not part of the repository.</summary>
[TestClass]
public class SharedModelTests
{
    private const string Resnet20 = "data/models/cifar10-resnet20.onnx";
    private const string Resnet56 = "data/models/cifar10-resnet56.onnx";

    [TestMethod]
    [DataRow(Resnet20, 10)]
    [DataRow(Resnet56, 21)]
    public void ScoresAgreeWithOnnxRuntimeBeforeAndAfterSaving(string relativePath, int otherOpset)
    {
        var path = SharedData.Require(relativePath);
        var model = File.ReadAllBytes(path);
        var images = Images([.. from domain in new[] { "clean", "fog", "noise", "night" }
            from label in new[] { "cat", "ship" } select $"data/cifar10-domains/{domain}/test/{label}/0003.png"]);
        using var directory = new TemporaryDirectory();
        using var network = Network.LoadOnnx(path);
        network.SaveOnnx(directory.Combine("again.onnx"));
        using var again = Network.LoadOnnx(directory.Combine("again.onnx"));
        foreach (var candidate in new[] { network, again })
        {
            ModelParity.AssertEqualScores(model, candidate, [16, 3, 32, 32], "random images");
            ModelParity.AssertEqualScores(model, candidate, [1, 3, 32, 32], "one random image");
            ModelParity.AssertEqualScores(model, candidate, images, "photographs");
        }
        RoundTripTests.AssertSame(network, again);

        // ONNX Runtime reads what is written, too.
        ModelParity.AssertEqualScores(
            File.ReadAllBytes(directory.Combine("again.onnx")), network, images, "the file as written");
        ModelParity.AssertEqualScores(
            OnnxModels.Save(network, otherOpset), network, images, $"the file as written in opset {otherOpset}");
    }

    [TestMethod]
    [DataRow(Resnet20, 20, 2)]
    [DataRow(Resnet56, 56, 2)]
    public void OnlyTheBatchSizeIsStillComputed(string relativePath, int layers, int shortcuts)
    {
        using var network = Network.LoadOnnx(SharedData.Require(relativePath));
        var counts = network.Graph.Nodes.CountBy(node => node.Operator.Type).ToDictionary();
        var blocks = (layers - 2) / 2;
        Assert.AreEqual(layers - 1, counts["Conv"]);
        Assert.AreEqual(layers - 1, counts["BatchNormalization"]);
        Assert.AreEqual(layers - 1, counts["Relu"]);
        Assert.AreEqual(blocks, counts["Add"]);
        Assert.AreEqual(1, counts["Gemm"]);
        // Every shortcut takes every second pixel in two directions and pads the channels; the padding by nothing
        // before the pooling is gone.
        Assert.AreEqual(shortcuts, counts["Pad"]);
        // What remains of shapes: the sizes, the first of them, and a list of it and -1.
        var tail = network.Graph.Nodes.Select(node => node.Operator.Type).SkipWhile(type => type != "AveragePool").ToArray();
        CollectionAssert.AreEqual(new[] { "AveragePool", "Shape", "Gather", "Unsqueeze", "Concat", "Reshape", "Gemm" },
            tail);
        var arithmetic = new[] { "Sub", "Mul", "Cast", "ConstantOfShape", "Transpose", "Identity", "Constant" };
        Assert.IsEmpty(arithmetic.Where(counts.ContainsKey));
        Assert.AreEqual(2 * (layers - 1),
            network.Graph.Parameters.Count(parameter => parameter.Role == ParameterRole.Statistic));
        // A weight per layer, two per normalization, and the bias of the last layer.
        Assert.AreEqual(layers + 2 * (layers - 1) + 1,
            network.Graph.Parameters.Count(parameter => parameter.Role == ParameterRole.Weight));
    }

    [TestMethod]
    public void ScoresAreThoseOfTheReference()
    {
        var golden = GoldenFile.Read("resnet20_forward.json");
        using var network = Network.LoadOnnx(SharedData.Require(Resnet20));
        foreach (var image in golden.GetProperty("images").EnumerateArray())
        {
            var path = image.GetProperty("path").GetString()!;
            var input = Images([path]);
            var first = image.GetProperty("first_pixels_input").Numbers();
            using var tensor = input.ToTorch();
            using var output = network.Forward(tensor);
            // The file has the first four pixels of each plane.
            var pixels = tensor.data<float>().ToArray().Chunk(32 * 32).SelectMany(plane => plane[..4]).ToArray();
            var scores = output.data<float>().ToArray();
            var logits = image.GetProperty("logits").Numbers();
            for (var i = 0; i < first.Length; i++)
                Assert.AreEqual(first[i], pixels[i], 1e-5f, $"{path}, pixel {i}");
            for (var i = 0; i < logits.Length; i++)
                Assert.AreEqual(logits[i], scores[i], 1e-4f, $"{path}, class {i}");
            var names = golden.GetProperty("classes").EnumerateArray().Select(name => name.GetString()).ToArray();
            Assert.AreEqual(image.GetProperty("argmax").GetString(), names[scores.IndexOf(scores.Max())], path);
        }
    }

    [TestMethod]
    public void LoadingSavingAndScoringLeaveNothingOver()
    {
        var path = SharedData.Require(Resnet20);
        using var input = TensorData.Of<float>(new float[3 * 32 * 32], 1, 3, 32, 32).ToTorch();
        LiveTensors.AssertUnchanged(() =>
        {
            using var network = Network.LoadOnnx(path);
            using var clone = network.Clone();
            using var output = clone.Forward(input);
            OnnxModels.Save(clone);
        });
    }

    /// <summary>A batch of images as the networks were trained on: planes of red, green and blue, normalized.</summary>
    private static TensorData Images(string[] relativePaths)
    {
        float[] mean = [0.485f, 0.456f, 0.406f], deviation = [0.229f, 0.224f, 0.225f];
        var values = new float[relativePaths.Length * 3 * 32 * 32];
        for (var i = 0; i < relativePaths.Length; i++)
        {
            using var bitmap = SKBitmap.Decode(SharedData.Require(relativePaths[i]));
            for (var y = 0; y < 32; y++)
            {
                for (var x = 0; x < 32; x++)
                {
                    var pixel = bitmap.GetPixel(x, y);
                    byte[] channels = [pixel.Red, pixel.Green, pixel.Blue];
                    for (var c = 0; c < 3; c++)
                        values[((i * 3 + c) * 32 + y) * 32 + x] = (channels[c] / 255f - mean[c]) / deviation[c];
                }
            }
        }
        return TensorData.Of<float>(values, relativePaths.Length, 3, 32, 32);
    }
}
