using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Onnx;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Networks.Passes;

/// <summary>
/// Nodes that name their axes, between layers that ONNX Runtime computes on integers with channels at the end: its
/// optimizer took the short lists for those of all axes, and the file could be loaded and not run.
/// </summary>
[TestClass]
public sealed class ExplicitAxesTests
{
    private static IEnumerable<TestDataRow<(string, IMessage[])>> Named =>
    [
        Row("padding", Longs("pads", 1, 2, 0, 1), Longs("axes", 2, 3), Node("Pad", "r pads _ axes", "m")),
        Row("padding from the end", Longs("pads", 2, 0), Longs("axes", -1), Node("Pad", "r pads _ axes", "m")),
        Row("padding with a number", Longs("pads", 1, 1), Longs("axes", 3), Floats("fill", [], 0.5f),
            Node("Pad", "r pads fill axes", "m")),
        Row("a reflection", Longs("pads", 1, 1, 1, 1), Longs("axes", 2, 3),
            Node("Pad", "r pads _ axes", "m", ("mode", "reflect"))),
        Row("scales", Floats("s", [2], 2, 1.5f),
            Node("Resize", "r _ s", "m", ("axes", new[] { 2L, 3 }), ("mode", "nearest"))),
        Row("linear scales", Floats("s", [1], 2), Node("Resize", "r _ s", "m", ("axes", new[] { -1L }), ("mode", "linear"))),
        Row("sizes", Longs("s", 9, 12), Node("Resize", "r _ _ s", "m", ("axes", new[] { 2L, 3 }), ("mode", "linear"))),
        Row("sizes in another order", Longs("s", 12, 9),
            Node("Resize", "r _ _ s", "m", ("axes", new[] { 3L, 2 }), ("mode", "nearest"))),
        Row("sizes, smoothed", Longs("s", 5, 5),
            Node("Resize", "r _ _ s", "m", ("axes", new[] { 2L, 3 }), ("mode", "linear"), ("antialias", 1))),
        Row("the middle", Longs("s", 6, 10), Node("CenterCropPad", "r s", "m", ("axes", new[] { 2L, 3 }))),
    ];

    [TestMethod]
    [DynamicData(nameof(Named))]
    public void NamedAxesAreScoredAsFloatsAndIntegers(string name, IMessage[] parts)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var batch in new[] { -1, 2 })
        {
            var model = ModelOf(18, [batch, 3, 8, 8], [
                Random("a", 1, 4, 3, 3, 3), Node("Conv", "x a", "c", ("pads", new[] { 1L, 1, 1, 1 })),
                Node("Relu", "c", "r"),
                .. parts, Random("b", 2, 2, 4, 1, 1), Node("Conv", "m b", "y"),
            ]).ToByteArray();
            var images = SmallNetworks.Random(1, 2, 3, 8, 8);
            using var network = Load(model);
            var expected = OnnxRuntimeReference.Run(model, [("x", TensorData.FromTorch(images))])[0].ToTorch();
            var actual = network.Forward(images);
            CollectionAssert.AreEqual(expected.shape, actual.shape, name);
            Assert.IsLessThanOrEqualTo(1e-4, expected.sub(actual).abs().max().item<float>(), name);

            using var quantized = NetworkQuantizer.Quantize(
                network, images, SmallNetworks.Nearest with { WeightBits = 8, ActivationBits = 8 });
            using var optimized = new OptimizedModel(Save(quantized));
            var simulated = quantized.Forward(images).data<float>().ToArray();
            var scores = optimized.Run(images);
            var range = simulated.Max() - simulated.Min();
            Assert.IsLessThan(2.1 / 255, simulated.Zip(scores, (a, b) => Math.Abs(a - b)).Max() / range, name);
            Assert.AreEqual(2, optimized.Count("QLinearConv"), name);
        }
    }

    [TestMethod]
    public void ANetworkBuiltByCodeIsScoredAsIntegersToo()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", TensorShape.Dynamic, 3, 8, 8);
        builder.Parameter("a", SmallNetworks.Random(1, 4, 3, 3, 3));
        builder.Constant("pads", 1, 2, 0, 1);
        builder.Constant("axes", 2, 3);
        builder.Parameter("b", SmallNetworks.Random(2, 2, 4, 1, 1));
        builder.Node("Conv", "c", ["x", "a"], ("pads", new[] { 1L, 1, 1, 1 }));
        builder.Node("Relu", "r", ["c"]);
        builder.Node("Pad", "m", ["r", "pads", "", "axes"]);
        builder.Node("Conv", "y", ["m", "b"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [TensorShape.Dynamic, 2, 9, 11]));
        var images = SmallNetworks.Random(3, 2, 3, 8, 8);

        using var quantized = NetworkQuantizer.Quantize(
            network, images, SmallNetworks.Nearest with { WeightBits = 8, ActivationBits = 8 });
        using var optimized = new OptimizedModel(Save(quantized));

        Assert.HasCount(2 * 2 * 9 * 11, optimized.Run(images));
        Assert.AreEqual(2, optimized.Count("QLinearConv"));
    }

    private static TestDataRow<(string, IMessage[])> Row(string name, params IMessage[] parts) =>
        new((name, parts)) { DisplayName = name };
}
