using Google.Protobuf;

using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Operators in the forms of older opsets, against ONNX Runtime on the same file, and written back in that opset and in
/// the default one.
/// </summary>
[TestClass]
public class OpsetFormsTests
{
    private static readonly long[] Image = [2, 3, 4, 6];

    private static IEnumerable<TestDataRow<(string Name, int Opset, byte[] Model)>> Forms =>
    [
        Form("Squeeze", 9, Node("Unsqueeze", "x", "u", ("axes", new[] { 0L, 3 })),
            Node("Squeeze", "u", "y", ("axes", new[] { 3L }))),
        Form("Squeeze of all", 11, Node("ReduceSum", "x", "s", ("axes", new[] { 1L, 2, 3 })), Node("Squeeze", "s", "y")),
        Form("Unsqueeze from the back", 12, Node("Unsqueeze", "x", "y", ("axes", new[] { -1L, 1 }))),
        Form("ReduceMean", 9, Node("ReduceMean", "x", "y", ("axes", new[] { 2L, 3 }), ("keepdims", 0))),
        Form("ReduceMean", 17, Node("ReduceMean", "x", "y", ("axes", new[] { -1L }))),
        Form("ReduceMean of all", 13, Node("ReduceMean", "x", "y")),
        Form("ReduceMax", 12, Node("ReduceMax", "x", "y", ("axes", new[] { 1L }))),
        Form("ReduceSum", 12, Node("ReduceSum", "x", "y", ("axes", new[] { 1L }), ("keepdims", 0))),
        Form("Clip", 9, Node("Clip", "x", "y", ("min", -0.5f), ("max", 0.75f))),
        Form("Clip below", 10, Node("Clip", "x", "y", ("max", 0.75f))),
        Form("Clip without bounds", 9, Node("Clip", "x", "y")),
        Form("Pad", 9, Node("Pad", "x", "y", ("pads", new[] { 0L, 0, 1, 2, 0, 1, 0, 3 }), ("value", 1.5f))),
        Form("Pad by reflection", 10,
            Node("Pad", "x", "y", ("mode", "reflect"), ("pads", new[] { 0L, 0, 1, 2, 0, 0, 0, 3 }))),
        Form("Pad by a negative amount", 10, Node("Pad", "x", "y", ("pads", new[] { 0L, 0, -1, 0, 0, 0, 0, -2 }))),
        Form("Slice", 9, Node("Slice", "x", "y", ("axes", new[] { 1L, 3 }), ("starts", new[] { 0L, -4 }),
            ("ends", new[] { 2L, long.MaxValue }))),
        Form("Slice of the first axes", 9, Node("Slice", "x", "y", ("starts", new[] { 0L, 1 }), ("ends", new[] { 1L, -1 }))),
        Form("Split", 9, Node("Split", "x", "a b", ("axis", 3), ("split", new[] { 2L, 4 })),
            Node("ReduceMean", "b", "m", ("axes", new[] { 3L })), Node("Add", "a m", "y")),
        Form("Split evenly", 12, Node("Split", "x", "a b c", ("axis", 3)), Node("Sub", "a c", "d"), Node("Mul", "d b", "y")),
        Form("Split evenly", 13, Node("Split", "x", "a b", ("axis", 2)), Node("Sub", "a b", "y")),
        Form("Dropout", 9, Node("Dropout", "x", "y", ("ratio", 0.3f))),
        Form("Dropout with a mask", 10, Node("Dropout", "x", "y mask", ("ratio", 0.3f))),
        Form("Softmax over three axes", 9, Node("Softmax", "x", "y")),
        Form("Softmax over two axes", 12, Node("Softmax", "x", "y", ("axis", 2))),
        Form("Softmax over the last axis", 11, Node("Softmax", "x", "y", ("axis", -1))),
        Form("Softmax over all", 11, Node("Softmax", "x", "y", ("axis", 0))),
        Form("LogSoftmax", 12, Node("LogSoftmax", "x", "y", ("axis", 1))),
        Form("Softmax of a middle axis", 13, Node("Softmax", "x", "y", ("axis", 1))),
        Form("Upsample nearest", 9, Floats("scales", [4], 1, 1, 2, 2),
            Node("Upsample", "x scales", "y", ("mode", "nearest"))),
        Form("Upsample nearest by fractions", 9, Floats("scales", [4], 1, 1, 1.5f, 2.5f), Node("Upsample", "x scales", "y")),
        Form("Upsample linear", 9, Floats("scales", [4], 1, 1, 2, 3), Node("Upsample", "x scales", "y", ("mode", "linear"))),
        Form("Resize 10 nearest, larger", 10, Floats("scales", [4], 1, 1, 1.5f, 2),
            Node("Resize", "x scales", "y", ("mode", "nearest"))),
        Form("Resize 10 nearest, smaller", 10, Floats("scales", [4], 1, 1, 0.6f, 0.6f),
            Node("Resize", "x scales", "y", ("mode", "nearest"))),
        Form("Resize 10 linear", 10, Floats("scales", [4], 1, 1, 0.5f, 2),
            Node("Resize", "x scales", "y", ("mode", "linear"))),
        Form("Resize 11", 11, Floats("roi", [0]), Floats("scales", [4], 1, 1, 2, 2),
            Node("Resize", "x roi scales", "y", ("mode", "linear"))),
        Form("Resize 13", 13, Floats("scales", [4], 1, 1, 2, 2), Node("Resize", "x _ scales", "y", ("mode", "nearest"))),
        Form("MaxPool", 9, Node("MaxPool", "x", "y", ("kernel_shape", new[] { 2L, 2 }), ("strides", new[] { 2L, 2 }))),
        Form("AveragePool", 9, Node("AveragePool", "x", "y", ("kernel_shape", new[] { 2L, 2 }))),
        Form("Gemm without a bias", 11, Random("w", 1, 72, 5), Node("Flatten", "x", "f"), Node("Gemm", "f w", "y")),
        Form("Flatten from the back", 11, Node("Flatten", "x", "y", ("axis", -2))),
        Form("Concat from the back", 11, Node("Concat", "x x", "y", ("axis", -1))),
        Form("ArgMax", 12, Node("ArgMax", "x", "i", ("axis", 1), ("select_last_index", 0)),
            Node("Cast", "i", "y", ("to", 1))),
        Form("BatchNormalization that says it is spatial", 8, Random("s", 1, 3), Random("b", 2, 3), Random("m", 3, 3),
            Floats("v", [3], 1, 2, 0.5f),
            Node("BatchNormalization", "x s b m v", "y", ("spatial", 1), ("momentum", 0.9f))),
        Form("BatchNormalization of each element", 7, Random("s", 1, 3, 4, 6), Random("b", 2, 3, 4, 6),
            Random("m", 3, 3, 4, 6), Random("r", 4, 3, 4, 6), Node("Exp", "r", "v"),
            Node("BatchNormalization", "x s b m v", "y", ("spatial", 0), ("epsilon", 0.01f))),
        Form("Upsample with scales as an attribute", 7,
            Node("Upsample", "x", "y", ("scales", new[] { 1f, 1, 2, 2 }), ("mode", "nearest"))),
        Form("Upsample linear with scales as an attribute", 8,
            Node("Upsample", "x", "y", ("scales", new[] { 1f, 1, 2, 2 }), ("mode", "linear"))),
        Form("Dropout", 7, Node("Dropout", "x", "y mask", ("ratio", 0.3f))),
        Form("Reshape", 7, Longs("shape", 0, -1), Node("Reshape", "x shape", "y")),
        Form("Gemm with a bias that is broadcast", 7, Random("w", 1, 72, 5), Random("b", 2, 1, 5),
            Node("Flatten", "x", "f"), Node("Gemm", "f w b", "y")),
        Form("Slice", 8, Node("Slice", "x", "y", ("axes", new[] { 2L }), ("starts", new[] { 1L }),
            ("ends", new[] { 1000L }))),
        Form("Pad", 8, Node("Pad", "x", "y", ("pads", new[] { 0L, 0, 1, 2, 0, 1, 0, 3 }), ("mode", "edge"))),
        Form("GroupNormalization with a scale of each group", 18, Random("s", 1, 2), Random("b", 2, 2),
            Node("Concat", "x x", "c", ("axis", 1)), Node("GroupNormalization", "c s b", "y", ("num_groups", 2))),
        Form("attributes of newer opsets", 24, Node("Cast", "x", "i", ("to", 6), ("saturate", 1), ("round_mode", "up")),
            Node("Cast", "i", "y", ("to", 1))),
        Form("quantizers that say their types", 23, Floats("scale", [], 0.02f),
            Node("QuantizeLinear", "x scale", "q", ("output_dtype", 2), ("precision", 1)),
            Node("DequantizeLinear", "q scale", "y", ("output_dtype", 1))),
        Form("DepthToSpace", 11, Node("Concat", "x x x x", "c", ("axis", 1)),
            Node("DepthToSpace", "c", "y", ("blocksize", 2))),
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void OlderFormsMeanWhatTheyMeant(string name, int opset, byte[] model)
    {
        using var network = Load(model);
        ModelParity.AssertEqualScores(model, network, Image, $"{name}, read");
        var written = Save(network);
        ModelParity.AssertEqualScores(written, network, Image, $"{name}, written in the default opset");
        using var again = Load(written);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph), name);
    }

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void TheOldestOpsetThatIsEnoughIsEnough(string name, int opset, byte[] model)
    {
        using var network = Load(model);
        var oldest = Enumerable.Range(9, 13).First(candidate => CanSave(network, candidate));
        // That a split without sizes is even is not known without data, and only opset 18 can say one that may not be.
        Assert.IsLessThanOrEqualTo(name == "Split evenly" ? 18 : Math.Max(opset, 13), oldest, name);
        for (var written = oldest; written <= 21; written++)
        {
            ModelParity.AssertEqualScores(Save(network, written), network, Image, $"{name}, written in opset {written}");
            using var again = Load(Save(network, written));
            Assert.IsNull(network.Graph.FirstDifference(again.Graph), $"{name}, written in opset {written}");
        }
    }

    [TestMethod]
    public void RefusesAnAttributeThatIsAnInputByNow()
    {
        // Ignoring it would give another result.
        var exception = AssertMalformed(ModelOf(13, Image, Node("Squeeze", "x", "y", ("axes", new[] { 0L }))));
        StringAssert.Contains(exception.Message, "'Squeeze-y' (Squeeze)");
        StringAssert.Contains(exception.Message, "'axes'");
    }

    [TestMethod]
    public void NamesOfNewConstantsGiveWayToThoseOfTheFile()
    {
        var model = ModelOf(9, Image, Floats("y.min", [], -1), Node("Clip", "x", "y", ("min", -0.5f), ("max", 0.5f)),
            Node("Add", "y y.min", "y.max"));
        model.Graph.Output[0].Name = "y.max";
        using var network = Load(model);
        ModelParity.AssertEqualScores(model.ToByteArray(), network, Image);
    }

    [TestMethod]
    public void RefusesAResizeOfOpset10ThatOnlyThatOpsetCanSay()
    {
        var mixed = ModelOf(10, Image, Floats("scales", [4], 1, 1, 0.5f, 2), Node("Resize", "x scales", "y"));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Load(mixed)).Message, "'Resize-y' (Resize)");
    }

    private static TestDataRow<(string, int, byte[])> Form(string name, int opset, params IMessage[] parts) =>
        new((name, opset, ModelOf(opset, [-1, .. Image[1..]], parts).ToByteArray()))
        {
            DisplayName = $"{name}, opset {opset}"
        };

    private static bool CanSave(Microsoft.ML.Hdrq.Networks.Network network, int opset)
    {
        try
        {
            Save(network, opset);
            return true;
        }
        catch (NotSupportedException)
        {
            return false;
        }
    }
}
