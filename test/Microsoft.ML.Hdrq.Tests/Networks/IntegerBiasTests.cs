using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public sealed class IntegerBiasTests
{
    [TestMethod]
    public void ABiasBecomesStepsOfInputScaleTimesWeightScale()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Layer(0.5f, [0.25f, 0.5f], [0.3f, -0.3f]);
        var bias = IntegerBias.Find(network.Graph).Single();
        Assert.IsNull(bias.Integers(network.Parameters));
        bias.Round(network.Parameters);
        // 0.3 / 0.125 = 2.4 and -0.3 / 0.25 = -1.2.
        CollectionAssert.AreEqual(new[] { 0.25f, -0.25f }, Golden.Numbers(network.Parameters["b"]));
        CollectionAssert.AreEqual(new[] { 2, -1 }, bias.Integers(network.Parameters)!.data<int>().ToArray());
        CollectionAssert.AreEqual(new[] { 0.25f, 0.5f }, Golden.Numbers(network.Parameters["w.scale"]));
    }

    [TestMethod]
    public void WeightsThatAreNothingAgainstTheirBiasGetALargerScale()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Layer(0.5f, [1e-9f, 0.5f], [1, 1]);
        var bias = IntegerBias.Find(network.Graph).Single();
        bias.Round(network.Parameters);
        CollectionAssert.AreEqual(new[] { 2f / (1 << 22), 0.5f }, Golden.Numbers(network.Parameters["w.scale"]));
        CollectionAssert.AreEqual(new[] { 1 << 22, 4 }, bias.Integers(network.Parameters)!.data<int>().ToArray());
    }

    [TestMethod]
    public void EveryBiasThatIsAnIntegerComesBackBitByBitFromAFile()
    {
        var random = new Random(1);
        for (var i = 0; i < 100; i++)
        {
            using var scope = torch.NewDisposeScope();
            using var network = Layer(MathF.Exp(random.NextSingle() * 20 - 10),
                [MathF.Exp(random.NextSingle() * 20 - 15), 0.1f], [random.NextSingle() * 1000 - 500, -1e-6f]);
            var rounded = IntegerBias.Find(network.Graph).Single();
            var before = Save(network);
            rounded.Round(network.Parameters);
            var file = Save(network);
            using var again = Load(file);
            Assert.IsNull(network.Graph.FirstDifference(again.Graph));
            Assert.AreEqual(TensorData.FromTorch(network.Parameters["b"]), TensorData.FromTorch(again.Parameters["b"]));
            CollectionAssert.AreEqual(file, Save(again));
            Assert.AreEqual((int)ElementType.Int32,
                Microsoft.ML.Hdrq.Onnx.Protobuf.ModelProto.Parser.ParseFrom(file).Graph.Initializer.Single(
                    tensor => tensor.Name == "b").DataType);
            // One that lies between the steps is kept as it is.
            Assert.AreEqual((int)ElementType.Float32,
                Microsoft.ML.Hdrq.Onnx.Protobuf.ModelProto.Parser.ParseFrom(before).Graph.Initializer.Single(
                    tensor => tensor.Name == "b").DataType);
        }
    }

    [TestMethod]
    public void LayersWithoutQuantizersHaveNone()
    {
        using var network = SmallNetworks.Residual();
        Assert.IsEmpty(IntegerBias.Find(network.Graph));
    }

    /// <summary>Two outputs of three inputs, which are reshaped behind their quantizer.</summary>
    private static Network Layer(float inputScale, float[] weightScales, float[] biases)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3);
        builder.Parameter("x.scale", torch.tensor(inputScale));
        builder.Parameter("w", torch.zeros(2, 3));
        builder.Parameter("w.scale", torch.tensor(weightScales));
        builder.Parameter("b", torch.tensor(biases));
        builder.Node(new GraphNode("xq",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(8, isSigned: true))),
            ["x", "x.scale"], ["xq"]));
        builder.Node(new GraphNode("wq",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(8, isSigned: true), 0)),
            ["w", "w.scale"], ["wq"]));
        builder.Node("Flatten", "flat", ["xq"]);
        builder.Node("Gemm", "y", ["flat", "wq", "b"], ("transB", 1));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }
}
