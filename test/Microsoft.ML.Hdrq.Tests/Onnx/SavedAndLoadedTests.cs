using Google.Protobuf;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// A network that is saved and loaded, in whatever opset, is the same network: graphs are equal, and it can be merged
/// with itself and be its own source.
/// </summary>
[TestClass]
public class SavedAndLoadedTests
{
    private static readonly string[] Folders = ["data/models", "data/onnx-zoo"];

    private static IEnumerable<TestDataRow<string>> Files
    {
        get
        {
            var files = Folders.Where(folder => SharedData.TryFind(folder, out _))
                .SelectMany(folder => Directory.GetFiles(SharedData.Require(folder), "*.onnx")
                    .Select(file => $"{folder}/{Path.GetFileName(file)}"))
                .Where(file => !Path.GetFileName(file).StartsWith("hostile", StringComparison.Ordinal))
                    .Order(StringComparer.Ordinal).ToList();
            return (files.Count > 0 ? files : Folders.ToList())
                .Select(file => new TestDataRow<string>(file) { DisplayName = file });
        }
    }

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void AFileIsTheSameNetworkAfterwards(string relativePath)
    {
        using var network = Network.LoadOnnx(SharedData.Require(relativePath));
        var quantized = false;
        foreach (var opset in new[] { 9, 13, 17, 21 })
        {
            if (Written(network, opset) is not { } model)
                continue;
            using var copy = Load(model);
            AssertSame(network, copy, $"opset {opset}");
            AssertMerges(network, copy);
            if (!quantized)
                AssertIsSource(network, copy);
            quantized = true;
        }
        Assert.IsTrue(quantized, "No opset can express the network.");
    }

    private static IEnumerable<TestDataRow<byte[]>> Models =>
    [
        Row("an attribute that says its default", ModelOf(14, [-1, 2, 4, 4],
            Longs("shape", 0, -1), Node("Reshape", "x shape", "r", ("allowzero", 0)),
            Node("Softmax", "r", "y", ("axis", -1)))),
        Row("strides of ones and no padding", ModelOf(10, [-1, 2, 4, 4], Random("w", 1, 2, 2, 3, 3),
            Node("Conv", "x w", "c", ("strides", new[] { 1L, 1 }), ("dilations", new[] { 1L, 1 }),
                ("pads", new[] { 0L, 0, 0, 0 }), ("group", 1), ("auto_pad", "NOTSET")),
            Node("MaxPool", "c", "y", ("kernel_shape", new[] { 2L, 2 }), ("dilations", new[] { 1L, 1 }), ("ceil_mode", 0)))),
        Row("axes that two nodes share", ModelOf(18, [-1, 2, 4, 4],
            Longs("axes", 2, 3), Node("ReduceMean", "x axes", "m"), Node("ReduceMax", "x axes", "n"),
            Node("Add", "m n", "y"))),
        Row("axes as attributes", ModelOf(12, [-1, 2, 4, 4],
            Node("ReduceMean", "x", "m", ("axes", new[] { 2L, 3 }), ("keepdims", 1)),
            Node("Squeeze", "m", "y", ("axes", new[] { 2L, 3 })))),
        Row("bounds", ModelOf(13, [-1, 4],
            Floats("zero", [], 0), Floats("six", [], 6), Node("Clip", "x zero six", "c"), Node("Clip", "c zero", "y"))),
        Row("TopK and Cast", ModelOf(11, [-1, 4],
            Longs("k", 2), Node("TopK", "x k", "v i", ("sorted", 1), ("largest", 1)), Node("Cast", "i", "f", ("to", 1)),
            Node("Add", "v f", "y"))),
        Row("a weight behind nodes that move it", ModelOf(13, [-1, 4],
            Random("w", 1, 12), Longs("shape", 3, 4), Node("Reshape", "w shape", "r"), Node("Transpose", "r", "t"),
            Node("MatMul", "x t", "y"))),
        Row("a weight that two layers read", ModelOf(13, [-1, 4],
            Random("w", 1, 4, 4), Node("Transpose", "w", "t"), Node("MatMul", "x w", "m"), Node("MatMul", "m t", "y"))),
        Row("a weight whose moved copy steers", ModelOf(13, [-1, 4],
            Random("w", 1, 4), Longs("shape", 1, 4), Node("Reshape", "w shape", "r"), Node("Add", "x w", "m"),
            Node("Abs", "m", "n"), Node("Pow", "n r", "y"))),
        Row("a weight that is moved for many layers", ModelOf(13, [-1, 4],
            [Random("w", 1, 4, 4), .. Enumerable.Range(0, 12).Select(n => Node("Transpose", "w", $"t{n}")),
            .. Enumerable.Range(0, 12).Select(
                n => Node("MatMul", $"{(n == 0 ? "x" : $"v{n - 1}")} t{n}", n == 11 ? "y" : $"v{n}"))])),
        Row("a weight in a Constant node behind nodes that move it", ModelOf(13, [-1, 4],
            Node("Constant", "", "w", ("value", Random("", 1, 3, 4))), Node("Transpose", "w", "t"),
            Node("MatMul", "x t", "y"))),
        Row("a weight of constants", ModelOf(13, [-1, 4],
            Node("Constant", "", "w", ("value", Random("", 1, 4, 3))), Node("Constant", "", "two", ("value_float", 2f)),
            Node("Mul", "w two", "v"), Node("MatMul", "x v", "y"))),
        Row("a divisor behind a node that moves it", ModelOf(13, [-1, 2, 3, 3],
            Floats("s", [2], 2, 3), Longs("shape", 1, 2, 1, 1), Node("Reshape", "s shape", "r"), Node("Div", "x r", "y"))),
        Row("a divisor that a node without use adds", ModelOf(13, [-1, 2],
            Floats("s", [2], 2, 3), Node("Add", "x s", "unused"), Node("Div", "x s", "y"))),
        Row("statistics behind nodes that move them", ModelOf(13, [-1, 2, 3, 3],
            Random("scale", 1, 2), Random("bias", 2, 2), Random("mean", 3, 1, 2), Floats("variance", [1, 2], 1, 2),
            Longs("axes", 0),
            Node("Squeeze", "mean axes", "m"), Node("Squeeze", "variance axes", "v"),
            Node("BatchNormalization", "x scale bias m v", "y", ("epsilon", 1e-5f), ("momentum", 0.9f)))),
    ];

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void AModelIsTheSameNetworkAfterwards(byte[] model)
    {
        using var network = Load(model);
        ModelParity.AssertEqualScores(model, network, [2, .. network.Graph.Inputs[0].Shape.ToArray()[1..]]);
        var written = 0;
        for (var opset = 9; opset <= 21; opset++)
        {
            if (Written(network, opset) is not { } bytes)
                continue;
            written++;
            ModelParity.AssertEqualScores(
                bytes, network, [2, .. network.Graph.Inputs[0].Shape.ToArray()[1..]], $"opset {opset}");
            using var copy = Load(bytes);
            AssertSame(network, copy, $"opset {opset}");
            AssertMerges(network, copy);
        }
        Assert.IsGreaterThan(4, written);
    }

    [TestMethod]
    [DataRow("ResNet")]
    [DataRow("MobileNetV2")]
    [DataRow("SegFormer")]
    public void ABuiltNetworkIsTheSameAfterwards(string name)
    {
        using var network = name switch
        {
            "ResNet" => ResNet.Cifar(8, 4, seed: 1, width: 4, inputSize: 8),
            "MobileNetV2" => MobileNetV2.Create(4, seed: 1, inputSize: 32),
            _ => SegFormer.Create(encoder: 0, classes: 3, seed: 1),
        };
        var written = 0;
        foreach (var opset in new[] { 9, 13, 17, 20, 21 })
        {
            if (Written(network, opset) is not { } model)
                continue;
            written++;
            using var copy = Load(model);
            AssertSame(network, copy, $"opset {opset}");
        }
        Assert.IsGreaterThan(1, written);
    }

    [TestMethod]
    public void ABuiltNetworkWhoseWeightsAreMovedIsTheSameAfterwards()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var x = builder.Input("x", -1, 4);
        var weight = builder.Parameter("w", torch.rand(3, 4, generator: new torch.Generator(1)));
        var y = builder.Node("MatMul", "y", [x, builder.Node("Transpose", "t", [weight])]);
        using var network = builder.Build(new GraphValue(y, ElementType.Float32, [-1, 3]));
        CollectionAssert.AreEqual(new[] { "MatMul" }, network.Graph.Nodes.Select(node => node.Operator.Type).ToArray());
        using var copy = Load(Save(network, 17));
        AssertSame(network, copy, "opset 17");
        AssertMerges(network, copy);
        AssertIsSource(network, copy);
    }

    /// <summary>One scale is one scale, whichever axis the file names.</summary>
    [TestMethod]
    public void AScaleWithAnAxisIsTheSameAfterwards()
    {
        var integers = Microsoft.ML.Hdrq.Onnx.OnnxTensors.Write(
            "w", new TensorData(ElementType.Int8, [4, 3],
                [.. Enumerable.Range(0, 12).Select(n => (byte)(sbyte)(n - 6))]));
        using var network = Load(ModelOf(
            13, [-1, 4], integers, Floats("s", [1], 0.1f), Node("DequantizeLinear", "w s", "d", ("axis", 1)),
            Node("MatMul", "x d", "y")));
        Assert.IsNull(network.Graph.Nodes.Select(node => node.Operator).OfType<FakeQuantize>().Single().Axis);
        using var copy = Load(Save(network, 13));
        AssertSame(network, copy, "opset 13");
    }

    [TestMethod]
    public void AConstantOfAnotherValueIsNotMerged()
    {
        using var a = Load(ModelOf(18, [-1, 2, 4, 4], Longs("axes", 2, 3),
            Node("ReduceMean", "x axes", "m"), Node("ReduceMax", "x axes", "n"), Node("Add", "m n", "y")));
        using var b = Load(ModelOf(13, [-1, 2, 4, 4],
            Node("ReduceMean", "x", "m", ("axes", new[] { 2L, 3 })),
            Node("ReduceMax", "x", "n", ("axes", new[] { 1L, 3 })), Node("Add", "m n", "y")));
        Assert.IsNull(a.Graph.FirstDifference(b.Graph));
        foreach (var networks in new[] { new[] { a, b }, [b, a] })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge(networks)).Message,
                "axes' differs between");
    }

    private static TestDataRow<byte[]> Row(string name, IMessage model) => new(model.ToByteArray()) { DisplayName = name };

    private static byte[]? Written(Network network, int opset)
    {
        try
        {
            return Save(network, opset);
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }

    private static void AssertSame(Network network, Network copy, string what)
    {
        Assert.IsNull(network.Graph.FirstDifference(copy.Graph), what);
        Assert.IsNull(copy.Graph.FirstDifference(network.Graph), what);
        Assert.AreEqual(network.Graph.GetHashCode(), copy.Graph.GetHashCode(), what);
        Assert.AreEqual(network.ParametersSha256(), copy.ParametersSha256(), what);
    }

    private static void AssertMerges(Network network, Network copy)
    {
        using var scope = torch.NewDisposeScope();
        using var merged = NetworkMerger.Merge([network, copy]);
        var inputs = Inputs(network);
        foreach (var (expected, actual) in network.Run(inputs, ForwardMode.Inference)
            .Zip(merged.Run(inputs, ForwardMode.Inference)))
            Assert.AreEqual(TensorData.FromTorch(expected), TensorData.FromTorch(actual),
                "The mean of equal networks is not the network.");
    }

    private static void AssertIsSource(Network network, Network copy)
    {
        using var scope = torch.NewDisposeScope();
        using var here = FoldBatchNormalization.Apply(network);
        using var there = FoldBatchNormalization.Apply(copy);
        Assert.IsNull(here.Graph.FirstDifference(there.Graph));
        if (network.Graph.Inputs[0].ElementType != ElementType.Float32)
            return;
        var options = new RoundToNearestOptions
        {
            Source = copy,
            Calibration = new() { Observer = RangeObserverKind.MinMax },
            Moments = SentMoments.Nothing
        };
        NetworkQuantizer.Quantize(network, Inputs(network)[0], options, seed: 1).Dispose();
    }

    /// <summary>Random numbers of the inputs' shapes; an image is of 64 pixels where its size is free.</summary>
    private static torch.Tensor[] Inputs(Network network) => [.. network.Graph.Inputs.Select(input =>
    {
        long[] shape = [.. input.Shape.ToArray().Select((size, d) => size > 0 ? size : d == 0 ? 1 : 64)];
        return torch.rand(shape, generator: new torch.Generator(1)).to(input.ElementType.ToTorch());
    })];
}
