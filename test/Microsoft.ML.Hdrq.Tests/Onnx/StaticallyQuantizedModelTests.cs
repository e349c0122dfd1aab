using Google.Protobuf;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Tests.Merging;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Models that ONNX Runtime's own quantizer made: read, scored, saved and merged.</summary>
[TestClass]
public sealed class StaticallyQuantizedModelTests
{
    public static IEnumerable<object[]> Layouts()
    {
        foreach (var activations in new[] { ElementType.UInt8, ElementType.Int8 })
        {
            foreach (var isSymmetric in new[] { false, true })
            {
                yield return [activations, ElementType.Int8, false, isSymmetric, false, true];
                yield return [activations, ElementType.Int8, true, isSymmetric, false, true];
                yield return [activations, ElementType.UInt8, false, isSymmetric, false, true];
            }
            yield return [activations, ElementType.Int8, true, false, false, false];
            yield return [activations, ElementType.Int8, false, false, true, false];
            yield return [activations, ElementType.Int8, true, false, true, false];
            yield return [activations, ElementType.UInt8, false, false, true, false];
        }
    }

    [TestMethod]
    [DynamicData(nameof(Layouts))]
    public void Every_layout_gives_the_scores_of_ONNX_Runtime(
        ElementType activations, ElementType weights, bool perChannel, bool isSymmetric, bool matMul, bool transposed)
    {
        using var scope = torch.NewDisposeScope();
        var model = StaticallyQuantizedModel.Network(
            1, activations, weights, perChannel, isSymmetric, matMul, transposed).ToByteArray();
        using var network = Load(model);
        // All are quantizers, none is left over.
        Assert.IsFalse(network.Graph.Nodes.Any(node => node.Operator.Type is "QuantizeLinear" or "DequantizeLinear"));
        Assert.AreEqual(matMul ? 11 : 9, network.Graph.Nodes.Count(node => node.Operator is FakeQuantize));
        Assert.IsTrue(IntegerNetwork.IsComplete(network));
        var images = SmallNetworks.Random(3, 64, 3, 8, 8);
        AssertSame(OnnxRuntimeReference.Run(model, [("x", TensorData.FromTorch(images))])[0].ToTorch(),
            network.Forward(images), "read");

        var saved = Save(network);
        using var again = Load(saved);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
        MergeCase.AssertSame(network, again);
        AssertSame(OnnxRuntimeReference.Run(saved, [("x", TensorData.FromTorch(images))])[0].ToTorch(),
            network.Forward(images), "saved");
        AssertIntegerKernels(saved, network, images, matMul);
    }

    [TestMethod]
    [DataRow(ElementType.UInt8, ElementType.Int8, false)]
    [DataRow(ElementType.UInt8, ElementType.Int8, true)]
    [DataRow(ElementType.Int8, ElementType.Int8, true)]
    [DataRow(ElementType.UInt8, ElementType.UInt8, false)]
    public void Networks_with_zero_points_of_their_own_are_merged(
        ElementType activations, ElementType weights, bool perChannel)
    {
        using var scope = torch.NewDisposeScope();
        using var a = Load(StaticallyQuantizedModel.Network(1, activations, weights, perChannel));
        using var b = Load(Shifted(StaticallyQuantizedModel.Network(1, activations, weights, perChannel, range: 1.1f),
            activations));
        Assert.IsNotNull(a.Graph.FirstDifference(b.Graph), "The zero points are the same.");

        using var merged = NetworkMerger.Merge([a, b]);
        using var other = NetworkMerger.Merge([b, a]);

        MergeCase.AssertSame(merged, other);
        Assert.IsNull(merged.Graph.FirstDifference(other.Graph));
        var images = SmallNetworks.Random(3, 64, 3, 8, 8);
        AssertIntegerKernels(Save(merged), merged, images, matMul: false);
        // The networks have the same weights, and ranges that are near: so is the merged one.
        var (first, second, mean) =
            (Golden.Numbers(a.Forward(images)), Golden.Numbers(b.Forward(images)),
            Golden.Numbers(merged.Forward(images)));
        var apart = first.Zip(second, (x, y) => Math.Abs(x - y)).Average();
        Assert.IsLessThan(apart, first.Zip(second, (x, y) => (x + y) / 2).Zip(mean, (x, y) => Math.Abs(x - y)).Average());
        using var again = Load(Save(merged));
        Assert.IsNull(merged.Graph.FirstDifference(again.Graph));
        MergeCase.AssertSame(merged, again);
    }

    [TestMethod]
    public void A_merged_range_goes_from_the_mean_of_the_lower_ends_to_the_mean_of_the_upper_ends()
    {
        // 0.1 * (0 - 40) = -4 and 0.3 * (0 - 80) = -24: the mean with a quarter of the second is -9, in steps of 0.15.
        using var a = Load(Quantizer(0.1f, 40));
        using var b = Load(Quantizer(0.3f, 80));
        using var merged = NetworkMerger.Merge([a, b], new() { NetworkWeights = [0.75, 0.25] });
        Assert.AreEqual(0.15f, merged.Parameters["s"].item<float>(), 1e-7f);
        Assert.AreEqual("-60 to 195", ((FakeQuantize)merged.Graph.Nodes.Single().Operator).Range.ToString());
        using var same = NetworkMerger.Merge([a, a]);
        Assert.AreSame(a.Graph, same.Graph);

        // As many integers, or they are not alike.
        using var fewer = Load(ModelOf(
            13, [-1, 4], Floats("s", [], 0.1f), Bytes("z", 0), Bytes("least", 0), Bytes("greatest", 15),
            Node("QuantizeLinear", "x s z", "q"), Node("Clip", "q least greatest", "c"),
            Node("DequantizeLinear", "c s z", "y")));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([a, fewer])).Message,
            "maximum=15", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Weights_with_zero_points_of_their_own_become_their_mean()
    {
        using var a = Load(StaticallyQuantizedModel.Network(1, weights: ElementType.UInt8));
        using var b = Load(StaticallyQuantizedModel.Network(2, weights: ElementType.UInt8));
        using var merged = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(MergeRounding.Nearest) });
        foreach (var node in merged.Graph.Nodes.Where(
            node => node.Operator is FakeQuantize && merged.Parameters.ContainsKey(node.Inputs[0])))
        {
            var (name, range) = (node.Inputs[0], ((FakeQuantize)node.Operator).Range);
            var step = merged.Values(node.Inputs[1])[0];
            var ranges = new[] { a, b }.Select(
                network => ((FakeQuantize)network.Graph.Nodes.Single(other => other.Inputs[0] == name).Operator).Range)
                .ToArray();
            Assert.AreNotEqual(ranges[0], ranges[1]);
            foreach (var (mean, value) in a.Values(name).Zip(b.Values(name), (x, y) => (x + y) / 2).Zip(merged.Values(name)))
            {
                var integer = MathF.Round(value / step);
                Assert.IsTrue(integer >= range.Minimum && integer <= range.Maximum);
                // Half a step, and another half at the ends of the range, which has been rounded too.
                Assert.IsLessThan((integer > range.Minimum && integer < range.Maximum ? 0.5001f : 1.0001f) * step,
                    Math.Abs(mean - value));
            }
        }
    }

    [TestMethod]
    public void Weights_with_a_zero_point_for_each_channel_are_scored_but_not_merged()
    {
        using var scope = torch.NewDisposeScope();
        var model = StaticallyQuantizedModel.Network(1, ElementType.UInt8, ElementType.UInt8, perChannel: true);
        using var network = Load(model);
        var images = SmallNetworks.Random(3, 64, 3, 8, 8);
        AssertSame(OnnxRuntimeReference.Run(model.ToByteArray(), [("x", TensorData.FromTorch(images))])[0].ToTorch(),
            network.Forward(images), "read");
        AssertSame(OnnxRuntimeReference.Run(Save(network), [("x", TensorData.FromTorch(images))])[0].ToTorch(),
            network.Forward(images), "saved");
        var message = Assert.ThrowsExactly<NotSupportedException>(() => NetworkMerger.Merge([network, network])).Message;
        StringAssert.Contains(message, "'conv1.weight_quantized'", StringComparison.Ordinal);
        StringAssert.Contains(message, "zero points that differ between channels", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Other_formats_are_refused_by_name()
    {
        Refuses("QLinearConv (node 'QLinearConv-y')",
            ModelOf(13, [-1, 3, 8, 8], Node("QLinearConv", "x s z w s z s z", "y")));
        Refuses("DynamicQuantizeLinear (node 'DynamicQuantizeLinear-q s z'); MatMulInteger",
            ModelOf(13, [-1, 4], Node("DynamicQuantizeLinear", "x", "q s z"), Node("MatMulInteger", "q w z", "y")));
        var contributed = Node("QuantizeLinear", "x s z", "y");
        contributed.Domain = "com.microsoft";
        Refuses("com.microsoft.QuantizeLinear", ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Bytes("z", 0), contributed));
        // Unsigned 16 bits.
        var wide = new TensorProto { Name = "z", DataType = 4, RawData = ByteString.CopyFrom(0, 0) };
        StringAssert.Contains(AssertMalformed(
            ModelOf(21, [-1, 4], Floats("s", [], 0.1f), wide, Node("QuantizeLinear", "x s z", "q"),
                Node("DequantizeLinear", "q s z", "y"))).Message, "'z'", StringComparison.Ordinal);

        static void Refuses(string names, ModelProto model) => LiveTensors.AssertUnchanged(() =>
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Load(model)).Message, names,
                StringComparison.Ordinal));
    }

    [TestMethod]
    public void Reading_and_merging_leave_nothing_but_their_networks()
    {
        var (a, b) = (StaticallyQuantizedModel.Network(1), Shifted(StaticallyQuantizedModel.Network(1), ElementType.UInt8));
        LiveTensors.AssertUnchanged(() =>
        {
            using var first = Load(a);
            using var second = Load(b);
            NetworkMerger.Merge([first, second]).Dispose();
        });
    }

    /// <summary>
    /// The zero points of all activations but the rectified one moved by some steps, as other images would.
    /// </summary>
    private static ModelProto Shifted(ModelProto model, ElementType activations)
    {
        foreach (var (i, tensor) in model.Graph.Initializer.Where(
            tensor => tensor.DataType == (int)activations && tensor.Dims.Count == 0
            && !tensor.Name.StartsWith("conv1", StringComparison.Ordinal)
            && !tensor.Name.Contains(".weight", StringComparison.Ordinal)).Index())
            tensor.RawData = ByteString.CopyFrom((byte)(tensor.RawData[0] + 3 + i));
        return model;
    }

    private static ModelProto Quantizer(float scale, byte zeroPoint) =>
        ModelOf(13, [-1, 4], Floats("s", [], scale), Bytes("z", zeroPoint), Node("QuantizeLinear", "x s z", "q"),
            Node("DequantizeLinear", "q s z", "y"));

    private static TensorProto Bytes(string name, byte value) =>
        Microsoft.ML.Hdrq.Onnx.OnnxTensors.Write(name, new TensorData(ElementType.UInt8, [], [value]));

    private static void AssertIntegerKernels(byte[] file, Network network, torch.Tensor images, bool matMul)
    {
        using var optimized = new OptimizedModel(file);
        Assert.AreEqual(2, optimized.Count("QLinearConv"));
        Assert.AreEqual(matMul ? 2 : 1, optimized.Count("QLinearAdd"));
        Assert.AreEqual(1, optimized.Count("QLinearGlobalAveragePool"));
        Assert.AreEqual(1, optimized.Count(matMul ? "QLinearMatMul" : "QGemm"));
        // At the input and at the scores.
        Assert.AreEqual(2, optimized.Count("QuantizeLinear") + optimized.Count("DequantizeLinear"));
        AssertSame(torch.tensor(optimized.Run(images)).reshape(images.shape[0], -1), network.Forward(images),
            "integer kernels");
    }

    /// <summary>Asserts that scores are equal but for some where a sum lies all but half-way between two steps.</summary>
    private static void AssertSame(torch.Tensor expected, torch.Tensor actual, string what)
    {
        var (x, y) = (Golden.Numbers(expected), Golden.Numbers(actual));
        Assert.IsGreaterThan(20, x.Distinct().Count(), "Too few scores differ for a comparison.");
        var steps = x.Order().Distinct().ToArray();
        var step = steps.Zip(steps.Skip(1), (a, b) => b - a).Where(difference => difference > 1e-4).Min();
        var differences = x.Zip(y, (a, b) => Math.Abs(a - b)).ToArray();
        Assert.IsLessThan(2.5 * step, differences.Max(), what);
        Assert.IsLessThan(x.Length / 20, differences.Count(difference => difference > step / 2), what);
    }
}
