using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public class RoundTripTests
{
    [TestMethod]
    public void GraphAndParametersComeBackAsTheyWere()
    {
        using var network = Load(Shared());
        var written = Save(network);
        using var again = Load(written);
        AssertSame(network, again);
        CollectionAssert.AreEqual(written, Save(again), "The same network is not written the same.");
    }

    [TestMethod]
    public void RolesFollowFromTheLayersThatReadATensor()
    {
        using var network = Load(Shared());
        using var again = Load(Save(network));
        foreach (var graph in new[] { network.Graph, again.Graph })
        {
            var roles = graph.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Role);
            foreach (var name in new[] { "w", "scale", "bias", "fc", "shift" })
                Assert.AreEqual(ParameterRole.Weight, roles[name], name);
            // Two normalizations share the statistics, one through an Identity; one convolution reads its weight from a
            // Constant node.
            foreach (var name in new[] { "mean", "variance" })
                Assert.AreEqual(ParameterRole.Statistic, roles[name], name);
            Assert.AreEqual(ParameterRole.Weight, roles["kernel"]);
            foreach (var name in new[] { "half", "offset", "shape", "bound" })
                Assert.AreEqual(ParameterRole.Constant, roles[name], name);
            Assert.HasCount(12, roles);
        }
    }

    [TestMethod]
    [DataRow(ElementType.Float32)]
    [DataRow(ElementType.Float16)]
    [DataRow(ElementType.Float64)]
    [DataRow(ElementType.Int64)]
    [DataRow(ElementType.Int32)]
    [DataRow(ElementType.Int16)]
    [DataRow(ElementType.Int8)]
    [DataRow(ElementType.UInt8)]
    [DataRow(ElementType.Bool)]
    [DataRow(ElementType.Int4)]
    [DataRow(ElementType.UInt4)]
    public void ConstantsOfEveryTypeComeBackBitByBit(ElementType type)
    {
        var bytes = new byte[15 * type.SizeInMemory()];
        new Random(3).NextBytes(bytes);
        if (type.SizeInMemory() == 1 && type is not (ElementType.Int8 or ElementType.UInt8))
            bytes = [.. bytes.Select(value =>
                (byte)(type == ElementType.Bool ? value & 1 : type == ElementType.UInt4 ? value & 15
                    : (value & 15) - 8))];
        var data = new TensorData(type, [3, 5], bytes);
        using var builder = new NetworkBuilder();
        builder.Input("x", -1);
        builder.Node("Relu", "y", ["x"]);
        builder.Parameter("c", data.ToTorch(), ParameterRole.Constant, type);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1]), new GraphValue("c", type, [3, 5]));
        using var again = Load(Save(network));
        AssertSame(network, again);
        Assert.AreEqual(data, TensorData.FromTorch(again.Parameters["c"], type));
    }

    [TestMethod]
    public void InputsOfEveryRankAndNameComeBack()
    {
        using var builder = new NetworkBuilder();
        builder.Input("scalar");
        builder.Input("längs/ *?\"", ElementType.Int64, -1, 3, -1);
        builder.Node("Cast", "y", ["längs/ *?\""], ("to", 1));
        builder.Node("Add", "z", ["y", "scalar"]);
        using var network = builder.Build(
            new GraphValue("z", ElementType.Float32, [-1, 3, -1]), new GraphValue("y", ElementType.Float32, []));
        using var again = Load(Save(network));
        AssertSame(network, again);
    }

    [TestMethod]
    public void AttributesOfEveryKindComeBack()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 4);
        // Relu reads none of them.
        builder.Node("Relu", "y", ["x"], ("int", -5), ("float", float.NaN), ("text", "ü\0"),
            ("ints", new[] { long.MinValue, 0 }), ("floats", new[] { -0f, float.Epsilon }),
            ("texts", new[] { "", "b" }), ("tensor", TensorData.Of<Half>([(Half)1.5, Half.NaN], 2, 1)));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 4]));
        using var again = Load(Save(network));
        AssertSame(network, again);
        Assert.AreEqual(7, again.Graph.Nodes.Single().Operator.Attributes.Count);
    }

    [TestMethod]
    public void AnExistingFileIsReplacedOnlyByAWholeOne()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("model.onnx");
        using var network = Load(ModelOf(17, [-1, 4], Random("scale", 1, 4), Node("LayerNormalization", "x scale", "y")));
        network.SaveOnnx(path);
        var before = File.ReadAllBytes(path);
        Assert.ThrowsExactly<NotSupportedException>(() => network.SaveOnnx(path, new OnnxSaveOptions { Opset = 9 }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => network.SaveOnnx(path, new OnnxSaveOptions { Opset = 8 }));
        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
        network.SaveOnnx(path, new OnnxSaveOptions { Opset = 21 });
        CollectionAssert.AreNotEqual(before, File.ReadAllBytes(path));
        Assert.HasCount(1, Directory.GetFileSystemEntries(directory.Path));
        Assert.ThrowsExactly<DirectoryNotFoundException>(
            () => network.SaveOnnx(Path.Combine(directory.Path, "none", "model.onnx")));
    }

    [TestMethod]
    public void StreamsStayOpenAndRefuseExternalFiles()
    {
        using var network = Load(Shared());
        using var stream = new MemoryStream();
        network.SaveOnnx(stream);
        stream.Position = 0;
        using var again = Network.LoadOnnx(stream);
        Assert.IsTrue(stream.CanRead);
        Assert.ThrowsExactly<ArgumentException>(
            () => network.SaveOnnx(stream, new OnnxSaveOptions { ExternalDataFile = "w.bin" }));
    }

    [TestMethod]
    public void NothingIsLeftOver()
    {
        var model = Shared();
        LiveTensors.AssertUnchanged(() =>
        {
            using var network = Load(model);
            Save(network);
            Save(network, 9);
        });
        // Nor does a scope around the call take the parameters away.
        Network loaded;
        using (torch.NewDisposeScope())
            loaded = Load(model);
        using (loaded)
            Assert.IsFalse(loaded.Parameters["w"].IsInvalid);
    }

    [TestMethod]
    public void ADisposedNetworkIsNotWritten()
    {
        var network = Load(Shared());
        network.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => Save(network));
    }

    internal static void AssertSame(Network expected, Network actual)
    {
        Assert.IsNull(expected.Graph.FirstDifference(actual.Graph));
        foreach (var definition in expected.Graph.Parameters)
            Assert.AreEqual(TensorData.FromTorch(expected.Parameters[definition.Name]),
                TensorData.FromTorch(actual.Parameters[definition.Name]), definition.Name);
    }

    private static ModelProto Shared() => ModelOf(13, [-1, 2, 4, 4],
        Random("w", 1, 2, 2, 3, 3), Random("scale", 2, 2), Random("bias", 3, 2), Random("mean", 4, 2),
        Floats("variance", [2], 1, 2), Random("fc", 5, 32, 3), Random("shift", 6, 3), Floats("half", [1], 0.5f),
        Longs("shape", 0, -1),
        Node("Identity", "mean", "mean2"), Node("Identity", "variance", "variance2"),
        Node("Constant", "", "kernel", ("value", Random("", 7, 2, 2, 1, 1))),
        Node("Constant", "", "offset", ("value", Random("", 8, 2, 1, 1))),
        Node("Constant", "", "bound", ("value_float", 0.1f)),
        Node("Sub", "x offset", "o"),
        Node("Conv", "o w", "c", ("pads", new[] { 1L, 1, 1, 1 })),
        Node("BatchNormalization", "c scale bias mean variance", "n"),
        Node("Conv", "n kernel", "d"),
        Node("BatchNormalization", "d scale bias mean2 variance2", "m"),
        Node("Clip", "m bound", "k"),
        Node("Mul", "k half", "h"),
        Node("Reshape", "h shape", "f"),
        Node("MatMul", "f fc", "g"),
        Node("Add", "g shift", "y"));
}
