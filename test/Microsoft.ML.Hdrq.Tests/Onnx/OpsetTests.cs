using Google.Protobuf;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public class OpsetTests
{
    private static IEnumerable<object[]> Read => Enumerable.Range(7, 18).Select(opset => new object[] { opset });

    private static IEnumerable<object[]> Written => Enumerable.Range(9, 16).Select(opset => new object[] { opset });

    [TestMethod]
    [DynamicData(nameof(Read))]
    public void ReadsEveryOpset(int opset)
    {
        var model = ConvolutionalNetwork(opset);
        using var network = Load(model);
        ModelParity.AssertEqualScores(model.ToByteArray(), network, [3, 3, 8, 8]);
    }

    [TestMethod]
    [DynamicData(nameof(Written))]
    public void WritesEveryOpset(int opset)
    {
        using var network = Load(ConvolutionalNetwork(13));
        var written = Save(network, opset);
        Assert.AreEqual(opset, ModelProto.Parser.ParseFrom(written).OpsetImport.Single().Version);
        ModelParity.AssertEqualScores(written, network, [3, 3, 8, 8]);
        using var again = Load(written);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(6)]
    [DataRow(25)]
    [DataRow(0)]
    [DataRow(-1)]
    public void RefusesOtherOpsets(int opset)
    {
        var model = ConvolutionalNetwork(13);
        model.OpsetImport[0].Version = opset;
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Load(model)).Message, "7 to 24");
        using var network = Load(ConvolutionalNetwork(13));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Save(network, opset));
    }

    [TestMethod]
    public void RefusesAModelWithoutOpset()
    {
        var model = ConvolutionalNetwork(13);
        model.OpsetImport[0].Domain = "com.example";
        StringAssert.Contains(AssertMalformed(model).Message, "'com.example' 13");
        model.OpsetImport.Clear();
        StringAssert.Contains(AssertMalformed(model).Message, "opset");
    }

    [TestMethod]
    public void TakesTheOtherNameOfTheDefaultDomain()
    {
        var model = ConvolutionalNetwork(13);
        model.OpsetImport[0].Domain = "ai.onnx";
        foreach (var node in model.Graph.Node)
            node.Domain = "ai.onnx";
        using var network = Load(model);
        Assert.HasCount(6, network.Graph.Nodes);
    }

    [TestMethod]
    public void WritesTheOldestOpsetFromThirteenThatIsEnough()
    {
        using var ordinary = Load(ConvolutionalNetwork(21));
        Assert.AreEqual(13, ModelProto.Parser.ParseFrom(Save(ordinary)).OpsetImport.Single().Version);
        using var normalized = Load(ModelOf(17, [-1, 4], Random("scale", 1, 4), Node("LayerNormalization", "x scale", "y")));
        Assert.AreEqual(17, ModelProto.Parser.ParseFrom(Save(normalized)).OpsetImport.Single().Version);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Save(normalized, 16)).Message,
            "'LayerNormalization-y' (LayerNormalization)");
    }

    [TestMethod]
    public void LeavesOutAttributesThatSayNothingNew()
    {
        // Exporters write these defaults into every node; older opsets do not have the attributes.
        var model = ModelOf(14, [-1, 3, 4, 4],
            Random("scale", 1, 3), Random("bias", 2, 3), Random("mean", 3, 3), Floats("variance", [3], 1, 2, 3),
            Longs("shape", 0, -1),
            Node("BatchNormalization", "x scale bias mean variance", "n", ("training_mode", 0)),
            Node("Reshape", "n shape", "y", ("allowzero", 0)));
        using var network = Load(model);
        foreach (int? opset in (int?[])[null, 9, 13])
        {
            var written = Save(network, opset);
            Assert.AreEqual(opset ?? 13, ModelProto.Parser.ParseFrom(written).OpsetImport.Single().Version);
            ModelParity.AssertEqualScores(written, network, [2, 3, 4, 4]);
        }
    }

    /// <summary>A network whose operators are the same in all opsets.</summary>
    private static ModelProto ConvolutionalNetwork(int opset) => ModelOf(opset, [-1, 3, 8, 8],
        Random("w1", 1, 4, 3, 3, 3), Random("b1", 2, 4), Random("scale", 3, 4), Random("bias", 4, 4),
        Random("mean", 5, 4), Floats("variance", [4], 1, 2, 0.5f, 1),
        Random("w2", 6, 5, 4), Random("b2", 7, 5),
        Node("Conv", "x w1 b1", "c", ("pads", new[] { 1L, 1, 1, 1 }), ("strides", new[] { 2L, 2 })),
        Node("BatchNormalization", "c scale bias mean variance", "n"),
        Node("Relu", "n", "r"),
        Node("GlobalAveragePool", "r", "p"),
        Node("Flatten", "p", "f"),
        Node("Gemm", "f w2 b2", "y", ("transB", 1)));
}
