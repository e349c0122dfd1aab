using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public sealed class QuantizerFormsTests
{
    [TestMethod]
    [DataRow(null)]
    [DataRow(13)]
    [DataRow(21)]
    public void QuantizersOfEveryWidthComeBackBitByBit(int? opset)
    {
        for (var bits = QuantizationRange.MinBits; bits <= QuantizationRange.MaxBits; bits++)
        {
            var width = (1 << bits) - 1;
            // Signed and unsigned, zero points at both ends and elsewhere, and fewer integers than the bits have.
            foreach (var range in new[] { new(bits, isSigned: true), new(bits, isSigned: false),
                QuantizationRange.Between(-1, width - 1), QuantizationRange.Between(1 - width, 0),
                QuantizationRange.Between(-(width / 2), width / 2) })
            {
                foreach (var axis in new long?[] { null, 0, -1 })
                {
                    using var scope = torch.NewDisposeScope();
                    using var network = Quantizers(range, axis);
                    var written = Save(network, opset);
                    using var again = Load(written);
                    Assert.IsNull(network.Graph.FirstDifference(again.Graph));
                    Assert.AreEqual(TensorData.FromTorch(network.Parameters["x.scale"]),
                        TensorData.FromTorch(again.Parameters["x.scale"]));
                    Assert.AreEqual(TensorData.FromTorch(network.Parameters["w.scale"]),
                        TensorData.FromTorch(again.Parameters["w.scale"]));
                    var input = SmallNetworks.Random(bits, 3, 4).mul(100);
                    AssertSameNumbers(network.Forward(input), again.Forward(input));
                    // The weight is what its quantizer made of it; nothing more can happen to it.
                    var weight = again.Graph.Nodes.Single(node => node.Inputs[0] == "w");
                    AssertSameNumbers(again.Parameters["w"],
                        weight.Operator.Compute([again.Parameters["w"], again.Parameters["w.scale"]],
                            new ComputeContext(ForwardMode.Inference, torch.CPU))[0]);
                    CollectionAssert.AreEqual(written, Save(again, opset));
                    var expected = OnnxRuntimeReference.Run(written, [("x", TensorData.FromTorch(input))])[0];
                    AssertSameNumbers(expected.ToTorch(), network.Forward(input));
                }
            }
        }
    }

    [TestMethod]
    public void EveryIntegerSurvivesEveryScale()
    {
        using var scope = torch.NewDisposeScope();
        var random = new Random(1);
        float[] scales = [1e-30f, 1.1920929e-7f, 1 / 3f, 0.1f, 1, MathF.PI, 1e30f,
            .. Enumerable.Range(0, 200).Select(_ => MathF.Exp(random.NextSingle() * 40 - 20))];
        foreach (var scale in scales)
        {
            var integers = torch.arange(-128, 128, torch.ScalarType.Float32);
            var quantizer = (FakeQuantize)Operator.Create(
                FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(8, isSigned: true)));
            AssertSameNumbers(integers, quantizer.Integers(integers.mul(scale), torch.tensor(scale)));
        }
    }

    [TestMethod]
    [DataRow(8, "UInt8", 13, "DequantizeLinear")]
    [DataRow(8, "Int8", 13, "Clip DequantizeLinear", true)]
    [DataRow(7, "Int8", 13, "Clip DequantizeLinear")]
    [DataRow(6, "Int8", 13, "Clip DequantizeLinear")]
    [DataRow(4, "Int4", 21, "Cast DequantizeLinear")]
    [DataRow(3, "Int4", 21, "Cast Clip DequantizeLinear")]
    public void AWeightIsStoredAsItsIntegers(int bits, string type, int opset, string nodes, bool isReduced = false)
    {
        using var network = Quantizers(isReduced ? QuantizationRange.Reduced : new(bits, isSigned: true), 0);
        var model = ModelProto.Parser.ParseFrom(Save(network));
        Assert.AreEqual(opset, model.OpsetImport.Single().Version);
        var integers = model.Graph.Initializer.SingleOrDefault(tensor => tensor.Name == "w")
            ?? model.Graph.Node.Single(node => node.Output.Contains("w")).Attribute.Single().T;
        Assert.AreEqual(type, ((ElementType)integers.DataType).ToString());
        Assert.AreEqual(bits <= 4 ? 10 : 20, integers.RawData.Length);
        var chain = new List<string>();
        for (var value = "w"; value != "w.quantized";)
        {
            var reader = model.Graph.Node.Single(node => node.Input.Contains(value));
            chain.Add(reader.OpType);
            value = reader.Output[0];
        }
        Assert.AreEqual(nodes, string.Join(' ', chain));
    }

    [TestMethod]
    public void SignedWeightsOfEightBitsAreAnOption()
    {
        using var network = Quantizers(new QuantizationRange(8, isSigned: true), 0);
        using var stream = new MemoryStream();
        network.SaveOnnx(stream, new() { SignedWeights = true });
        Assert.AreEqual("Int8", ((ElementType)ModelProto.Parser.ParseFrom(stream.ToArray()).Graph.Initializer.Single(
            tensor => tensor.Name == "w").DataType).ToString());
        stream.Position = 0;
        using var again = Network.LoadOnnx(stream);
        CollectionAssert.AreEqual(Save(network), Save(again));
    }

    [TestMethod]
    [Timeout(60_000, CooperativeCancellation = true)]
    public void ACycleThroughMovedValuesIsRefused()
    {
        var cycle = ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Node("Flatten", "a", "b"), Node("Flatten", "b", "a"),
            Node("QuantizeLinear", "a s", "q"), Node("DequantizeLinear", "q s", "y"));
        Assert.ThrowsExactly<InvalidDataException>(() => Load(cycle));
    }

    [TestMethod]
    public void FourBitWeightsMayBeInitializers()
    {
        using var network = Quantizers(new QuantizationRange(4, isSigned: true), 0);
        using var stream = new MemoryStream();
        network.SaveOnnx(stream, new() { FourBitInitializers = true });
        Assert.AreEqual((int)ElementType.Int4,
            ModelProto.Parser.ParseFrom(stream.ToArray()).Graph.Initializer.Single(
                tensor => tensor.Name == "w").DataType);
        stream.Position = 0;
        using var again = Network.LoadOnnx(stream);
        CollectionAssert.AreEqual(Save(network), Save(again));
    }

    [TestMethod]
    public void MetadataIsReadFromTheFileAlone()
    {
        using var directory = new TemporaryDirectory();
        using var network = Quantizers(new QuantizationRange(4, isSigned: true), 0);
        var path = directory.Combine("a.onnx");
        network.SaveOnnx(path, new()
        {
            Metadata = new Dictionary<string, string> { ["method"] = "HDRQ", ["bits"] = "W4A4" }
        });
        Assert.AreEqual("bits=W4A4 method=HDRQ",
            string.Join(' ', Network.ReadOnnxMetadata(path).OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Select(pair => $"{pair.Key}={pair.Value}")));
        network.SaveOnnx(path);
        Assert.IsEmpty(Network.ReadOnnxMetadata(path));
        File.WriteAllText(path, "no model");
        Assert.ThrowsExactly<InvalidDataException>(() => Network.ReadOnnxMetadata(path));
    }

    [TestMethod]
    public void AnActivationOfFewBitsIsClippedOnItsIntegers()
    {
        using var network = Quantizers(new QuantizationRange(4, isSigned: false), null);
        var graph = ModelProto.Parser.ParseFrom(Save(network)).Graph;
        var quantize = graph.Node.Single(node => node.OpType == "QuantizeLinear" && node.Input[0] == "x");
        var clip = graph.Node.Single(node => node.OpType == "Clip" && node.Input[0] == quantize.Output[0]);
        Assert.AreEqual("DequantizeLinear", graph.Node.Single(node => node.Input.Contains(clip.Output[0])).OpType);
        Assert.AreEqual("UInt8 0", Constant(quantize.Input[2]));
        Assert.AreEqual("UInt8 0", Constant(clip.Input[1]));
        Assert.AreEqual("UInt8 15", Constant(clip.Input[2]));

        string Constant(string name)
        {
            var tensor = graph.Node.Single(node => node.Output.Contains(name)).Attribute.Single().T;
            return $"{(ElementType)tensor.DataType} {tensor.RawData[0]}";
        }
    }

    [TestMethod]
    public void OtherUsesOfTheOperatorsStayWhatTheyAre()
    {
        // Zero points that differ, bounds that are no quantizer's, two scales, integers that something else reads too.
        var zeroPoint = ModelOf(13, [-1, 4], Floats("s", [4], 0.1f, 0.2f, 0.3f, 0.4f), Bytes("z", 3, 3, 4, 3),
            Node("QuantizeLinear", "x s z", "q"), Node("DequantizeLinear", "q s z", "y"));
        var bounds = ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Bytes("z", 0), Bytes("a", 1), Bytes("b", 14),
            Node("QuantizeLinear", "x s z", "q"), Node("Clip", "q a b", "c"), Node("DequantizeLinear", "c s z", "y"));
        var scales = ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Floats("t", [], 0.2f), Bytes("z", 0),
            Node("QuantizeLinear", "x s z", "q"), Node("DequantizeLinear", "q t z", "y"));
        var readers = ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Bytes("z", 0), Node("QuantizeLinear", "x s z", "q"),
            Node("DequantizeLinear", "q s z", "d"), Node("Cast", "q", "f", ("to", 1)), Node("Add", "d f", "y"));
        foreach (var model in new[] { zeroPoint, bounds, scales, readers })
        {
            using var network = Load(model);
            Assert.IsFalse(network.Graph.Nodes.Any(node => node.Operator is FakeQuantize));
            Assert.IsTrue(network.Graph.Nodes.Any(node => node.Operator.Type == "DequantizeLinear"));
        }
        // The same written by others is a quantizer.
        using var quantizer = Load(ModelOf(
            13, [-1, 4], Floats("s", [], 0.1f), Bytes("z", 0), Node("QuantizeLinear", "x s z", "q"),
            Node("DequantizeLinear", "q s", "y")));
        Assert.AreEqual("unsigned 8 bits", ((FakeQuantize)quantizer.Graph.Nodes.Single().Operator).Range.ToString());
        Assert.ThrowsExactly<NotSupportedException>(
            () => Load(ModelOf(13, [-1, 4], Floats("s", [], 0.1f), Node("FakeQuantize", "x s", "y", ("bits", 8)))));

        static TensorProto Bytes(string name, params byte[] values) =>
            Microsoft.ML.Hdrq.Onnx.OnnxTensors.Write(
            name, new TensorData(ElementType.UInt8, values.Length == 1 ? [] : [values.Length], values));
    }

    // Where a sum is all but half-way between two integers, the runtimes' order of addition decides, and the step goes
    // through all that follows.
    [TestMethod]
    [DataRow(8, QuantizerPlacement.Paper, 8)]
    [DataRow(4, QuantizerPlacement.Paper, 8)]
    [DataRow(3, QuantizerPlacement.Paper, 8)]
    [DataRow(8, QuantizerPlacement.Integer, 8)]
    [DataRow(4, QuantizerPlacement.Integer, 8)]
    [DataRow(3, QuantizerPlacement.Integer, 8)]
    [DataRow(8, QuantizerPlacement.Paper, 18)]
    [DataRow(4, QuantizerPlacement.Paper, 18)]
    [DataRow(3, QuantizerPlacement.Paper, 18)]
    [DataRow(8, QuantizerPlacement.Integer, 18)]
    [DataRow(4, QuantizerPlacement.Integer, 18)]
    [DataRow(3, QuantizerPlacement.Integer, 18)]
    public void OnnxRuntimeGivesTheScoresOfTheSimulation(int bits, QuantizerPlacement placement, int depth)
    {
        using var scope = torch.NewDisposeScope();
        using var original = depth == 18 ? ResNet.ImageNet(18, 10, seed: 1, inputSize: 32)
            : ResNet.Cifar(depth, 10, seed: 1);
        using var network = FoldBatchNormalization.Apply(original);
        var images = SmallNetworks.Random(1, 16, 3, 32, 32);
        using var quantized = SmallNetworks.Quantize(network, images, bits, bits, placement);
        var written = Save(quantized);
        using var again = Load(written);
        Assert.IsNull(quantized.Graph.FirstDifference(again.Graph));
        var simulated = Golden.Numbers(quantized.Forward(images));
        CollectionAssert.AreEqual(simulated, Golden.Numbers(again.Forward(images)));
        var runtime = Golden.Numbers(
            OnnxRuntimeReference.Run(written, [(quantized.Graph.Inputs[0].Name, TensorData.FromTorch(images))])[0]
            .ToTorch());
        var largest = simulated.Max(Math.Abs);
        var differences = simulated.Zip(runtime, (a, b) => Math.Abs(a - b) / largest).ToArray();
        var count = differences.Count(difference => difference > 1e-4);
        TestContext.WriteLine(
            $"ResNet-{depth}, {bits} bits, {placement}: {count} of {differences.Length} scores differ "
                + $"by more than 1e-4 of the largest, at most {differences.Max():G3}.");
        Assert.IsLessThan(differences.Length / 2, count);
        Assert.IsLessThan(0.1, differences.Max());
    }

    public required TestContext TestContext { get; init; }

    private static void AssertSameNumbers(torch.Tensor expected, torch.Tensor actual) =>
        CollectionAssert.AreEqual(Golden.Numbers(expected.to(torch.ScalarType.Float32)), Golden.Numbers(actual));

    /// <summary>An activation and a weight, [-1, 4] and [5, 4], each behind a quantizer, and their product.</summary>
    private static Network Quantizers(QuantizationRange range, long? axis)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 4);
        var xAxis = axis is null ? (long?)null : 1;
        builder.Parameter("x.scale", Scale(xAxis is null ? 0 : 4, 0.37f));
        builder.Parameter("w", SmallNetworks.Random(7, 5, 4));
        builder.Parameter("w.scale", Scale(axis is null ? 0 : axis == 0 ? 5 : 4, 3.4f / (range.Maximum - range.Minimum)));
        builder.Node(new GraphNode("x.quantizer",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, xAxis)), ["x", "x.scale"],
            ["x.quantized"]));
        builder.Node(new GraphNode("w.quantizer",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis)), ["w", "w.scale"],
            ["w.quantized"]));
        builder.Node("Unsqueeze", "column", ["x.quantized", builder.Constant("axes", 1)]);
        // A product of which every element is exact, unlike a matrix product's.
        builder.Node("Mul", "y", ["column", "w.quantized"]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 5, 4]));

        static torch.Tensor Scale(int count, float first) =>
            count == 0 ? torch.tensor(first) : torch.arange(1, count + 1, torch.ScalarType.Float32).mul(first / 3);
    }
}
