using System.Diagnostics;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;
using Kind = Microsoft.ML.Hdrq.Onnx.Protobuf.AttributeProto.Types.AttributeType;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public class MalformedModelTests
{
    private static IEnumerable<TestDataRow<(string What, byte[] Model, string Named)>> Malformed =>
    [
        Row("no graph", new ModelProto { OpsetImport = { new OperatorSetIdProto { Version = 13 } } }, "graph"),
        Row("an empty file", new ModelProto(), "empty"),
        Row("no nodes", ModelOf(13, [1]), "'y'"),
        Row("no input", Changed(model => model.Graph.Input.Clear()), "input"),
        Row("no output", Changed(model => model.Graph.Output.Clear()), "output"),
        Row("an unknown output", Changed(model => model.Graph.Output[0].Name = "z"), "'z'"),
        Row("a nameless input", Changed(model => model.Graph.Input[0].Name = ""), "name"),
        Row("a nameless output", Changed(model => model.Graph.Output[0].Name = ""), "name"),
        Row("a nameless tensor", Changed(model => model.Graph.Initializer[0].Name = ""), "name"),
        Row("an input without type", Changed(model => model.Graph.Input[0].Type = null), "'x'"),
        Row("an input without shape", Changed(model => model.Graph.Input[0].Type.TensorType.Shape = null), "'x'"),
        Row("an input of texts", Changed(model => model.Graph.Input[0].Type.TensorType.ElemType = 8), "'x'"),
        Row("a huge input", Changed(model => model.Graph.Input[0].Type.TensorType.Shape.Dim[0].DimValue = 1L << 40), "'x'"),
        Row("an input twice", Changed(model => model.Graph.Input.Add(model.Graph.Input[0])), "'x'"),
        Row("an output twice", Changed(model => model.Graph.Output.Add(model.Graph.Output[0])), "'y'"),
        Row("a tensor twice", Changed(model => model.Graph.Initializer.Add(model.Graph.Initializer[0])), "'w'"),
        Row("a value twice", Changed(model => model.Graph.Node.Add(Node("Relu", "x", "y"))), "'y'"),
        Row("a node that defines the input", Changed(model => model.Graph.Node.Add(Node("Relu", "y", "x"))), "'x'"),
        Row("a node that defines a tensor", Changed(model => model.Graph.Node.Add(Node("Relu", "y", "w"))), "'w'"),
        Row("a constant that defines the input",
            Changed(model => model.Graph.Node.Add(Node("Constant", "", "x", ("value_float", 1f)))), "'x'"),
        Row("a node with one output twice", ModelOf(13, [4], Node("Split", "x", "y y")), "'y'"),
        Row("an undefined input", Changed(model => model.Graph.Node[0].Input[1] = "v"), "'v'"),
        Row("a node without output", Changed(model => model.Graph.Node[0].Output.Clear()), "output"),
        Row("a node with a nameless output", Changed(model => model.Graph.Node[0].Output[0] = ""), "output"),
        Row("a node without inputs", Changed(model => model.Graph.Node[0].Input.Clear()), "'Add-y' (Add)"),
        Row("a node with too few inputs", Changed(model => model.Graph.Node[0].Input.RemoveAt(1)), "'Add-y' (Add)"),
        Row("a node with too many inputs", Changed(model => model.Graph.Node[0].Input.Add("x")), "'Add-y' (Add)"),
        Row("a node with too many outputs", Changed(model => model.Graph.Node[0].Output.Add("z")), "'Add-y' (Add)"),
        Row("a node without a needed input", Changed(model => model.Graph.Node[0].Input[0] = ""), "'Add-y' (Add)"),
        Row("a self loop", ModelOf(13, [4], Node("Add", "x y", "y")), "cycle"),
        Row("a cycle", ModelOf(13, [4], Node("Add", "x c", "a"), Node("Relu", "a", "b"), Node("Relu", "b", "c"),
            Node("Relu", "c", "y")), "cycle"),
        Row("a cycle aside", ModelOf(13, [4], Node("Relu", "x", "y"), Node("Relu", "b", "a"), Node("Relu", "a", "b")),
            "cycle"),
        Row("too little data", Changed(model => model.Graph.Initializer[0].FloatData.RemoveAt(0)), "'w'"),
        Row("a negative size", Changed(model => model.Graph.Initializer[0].Dims[0] = -4), "'w'"),
        Row("a size that overflows", Changed(model => model.Graph.Initializer[0].Dims.AddRange([1L << 62, 4])), "'w'"),
        Row("a texts tensor", Changed(model => model.Graph.Initializer[0].DataType = 8), "'w'"),
        Row("an attribute twice", ModelOf(13, [4], Node("Softmax", "x", "y", ("axis", 0), ("axis", 0))), "'axis'"),
        Row("an attribute of the wrong kind", ModelOf(13, [4], Node("Softmax", "x", "y", ("axis", 0.5f))),
            "'Softmax-y' (Softmax)"),
        Row("an attribute of no kind",
            ModelOf(13, [4], With(Node("Relu", "x", "y"), new AttributeProto { Name = "a" })), "'a'"),
        Row("an attribute of a kind that there is not",
            ModelOf(13, [4], With(Node("Relu", "x", "y"), new AttributeProto { Name = "a", Type = (Kind)99 })), "'a'"),
        Row("a tensor attribute without tensor",
            ModelOf(13, [4], With(Node("Relu", "x", "y"), new AttributeProto { Name = "a", Type = Kind.Tensor })),
            "'a'"),
        Row("a malformed tensor attribute",
            ModelOf(13, [4], Node("ConstantOfShape", "s", "y", ("value", Floats("v", [3], 1))), Longs("s", 1)), "'v'"),
        Row("an older attribute of the wrong kind", ModelOf(9, [4], Node("Squeeze", "x", "y", ("axes", 1))),
            "'Squeeze-y' (Squeeze)"),
        Row("an empty constant", ModelOf(13, [4], Node("Constant", "", "w"), Node("Add", "x w", "y")), "Constant"),
        Row("a constant of two values",
            ModelOf(13, [4], Node("Constant", "", "w", ("value_float", 1f), ("value_int", 1)), Node("Add", "x w", "y")),
            "Constant"),
        Row("a constant text", ModelOf(
            13, [4], Node("Constant", "", "w", ("value_string", "a")), Node("Add", "x w", "y")), "Constant"),
        Row("constants that cannot be computed",
            ModelOf(13, [4], Longs("a", 1, 2), Longs("b", 1, 2, 3), Node("Add", "a b", "c"),
                Node("Reshape", "x c", "y")), "'Add-c' (Add)"),
        Row("a constant reshape that does not fit",
            ModelOf(13, [4], Longs("a", 1, 2), Longs("b", 5), Node("Reshape", "a b", "c"), Node("Add", "x c", "y")),
            "'Reshape-c' (Reshape)"),
        Row("a constant index out of range",
            ModelOf(13, [4], Longs("a", 1, 2), Longs("b", 7), Node("Gather", "a b", "c"), Node("Add", "x c", "y")),
            "'Gather-c' (Gather)"),
        Row("a constant division by zero",
            ModelOf(13, [4], Longs("a", 1, 2), Longs("b", 0), Node("Div", "a b", "c"), Node("Reshape", "x c", "y")),
            "'Div-c' (Div)"),
        Row("a division by -1 of constants too many to compute",
            ModelOf(13, [4], Many("a", long.MinValue), Many("b", -1), Node("Div", "a b", "c"),
                Node("Cast", "c", "d", ("to", 1)), Node("ReduceMax", "d", "e", ("keepdims", 0)),
                Node("Add", "x e", "y")), "'Div-c' (Div) divides integers by -1"),
        Row("a remainder of -1 of constants too many to compute",
            ModelOf(13, [4], Many("a", long.MinValue), Many("b", -1), Node("Mod", "a b", "c"),
                Node("Cast", "c", "d", ("to", 1)), Node("ReduceMax", "d", "e", ("keepdims", 0)),
                Node("Add", "x e", "y")), "'Mod-c' (Mod) divides integers by -1"),
        Row("a division of data by 0",
            ModelOf(13, [4], Longs("b", 0), Node("Cast", "x", "a", ("to", 7)), Node("Div", "a b", "c"),
                Node("Cast", "c", "y", ("to", 1))), "'Div-c' (Div) divides integers by 0"),
        Row("a division of data by -1",
            ModelOf(13, [4], Longs("b", 3, -1, 2, 2), Node("Cast", "x", "a", ("to", 7)), Node("Div", "a b", "c"),
                Node("Cast", "c", "y", ("to", 1))), "'Div-c' (Div) divides integers by -1"),
        Row("another kernel than the weight's",
            ModelOf(13, [1, 1, 8, 8], Floats("w", [2, 1, 1, 1], 1, 2),
                Node("Conv", "x w", "y", ("kernel_shape", new[] { 1L, 255 }))),
            "Attribute 'kernel_shape' is [1, 255], and the weight has the shape [2, 1, 1, 1]"),
        Row("an empty kernel", ModelOf(13, [1, 1, 8, 8], Floats("w", [2, 1, 0, 0]), Node("Conv", "x w", "y")),
            "Weight 'w' is empty: its shape is [2, 1, 0, 0]"),
        Row("a kernel of no channels",
            ModelOf(13, [1, 2, 8, 8], Floats("w", [2, 0, 3, 3]), Node("ConvTranspose", "x w", "y")),
            "Weight 'w' is empty"),
        Row("a constant with fewer outputs than asked for",
            ModelOf(13, [4], Longs("a", 1, 2), Longs("b", 1, 1), Node("Split", "a b", "c d e"),
                Node("Add", "x e", "y")), "(Split)"),
        Row("a constant shape with negative sizes",
            ModelOf(13, [4], Longs("s", -5), Node("ConstantOfShape", "s", "c"), Node("Add", "x c", "y")),
            "(ConstantOfShape)"),
    ];

    [TestMethod]
    [DynamicData(nameof(Malformed))]
    public void RefusesMalformedModels(string what, byte[] model, string named)
    {
        var exception = AssertMalformed(ModelProto.Parser.ParseFrom(model));
        StringAssert.Contains(exception.Message, named, what);
    }

    [TestMethod]
    public void AcceptsTheModelThatTheMalformedOnesAreMadeOf()
    {
        using var network = Load(Changed(_ => { }));
        Assert.HasCount(1, network.Graph.Nodes);
    }

    [TestMethod]
    public void NamesTheFile()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllBytes(directory.Combine("bad.onnx"), [1, 2, 3]);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(
            () => Network.LoadOnnx(directory.Combine("bad.onnx"))).Message, "bad.onnx");
        File.WriteAllBytes(directory.Combine("bad.onnx"), ModelOf(13, [4], Node("Nothing", "x", "y")).ToByteArray());
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => Network.LoadOnnx(directory.Combine("bad.onnx"))).Message, "bad.onnx");
        Assert.ThrowsExactly<FileNotFoundException>(() => Network.LoadOnnx(directory.Combine("none.onnx")));
    }

    [TestMethod]
    public void NamesAllUnsupportedOperatorsAndTheirNodesInOneMessage()
    {
        var model = ModelOf(13, [4], Node("Relu", "x", "a"), Node("Whirl", "a", "b"), Node("If", "b", "c"),
            Node("Whirl", "c", "d"), Node("Relu", "d", "e"), Node("Relu", "e", "y"));
        model.Graph.Node[4].Domain = "com.example";
        model.Graph.Node[3].Name = "";
        var message = Assert.ThrowsExactly<NotSupportedException>(() => Load(model)).Message;
        StringAssert.Contains(message,
            "If (node 'If-c'); Whirl (2 nodes: 'Whirl-b', 'd'); com.example.Relu (node 'Relu-e')");
        Assert.DoesNotContain("Relu-a", message);
        Assert.DoesNotContain("Relu-y", message);
    }

    [TestMethod]
    public void RefusesGraphsWithinNodesAndSparseTensors()
    {
        var branch = new AttributeProto { Name = "then_branch", Type = Kind.Graph };
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => Load(ModelOf(13, [4], With(Node("If", "x", "y"), branch)))).Message, "'If-y'");
        AssertMalformed(ModelOf(13, [4], With(Node("Relu", "x", "y"), branch)));
        Assert.ThrowsExactly<NotSupportedException>(
            () => Load(Changed(model => model.Graph.SparseInitializer.Add(new SparseTensorProto()))));
        AssertMalformed(ModelOf(13, [4],
            With(Node("Constant", "", "w"), new AttributeProto { Name = "sparse_value", Type = Kind.SparseTensor }),
            Node("Add", "x w", "y")));
    }

    [TestMethod]
    public void AcceptsNodesInAnyOrderAndInitializersAmongTheInputs()
    {
        var model = ModelOf(9, [4], Floats("w", [4], 1, 2, 3, 4), Node("Relu", "b", "y"), Node("Add", "a w", "b"),
            Node("Relu", "x", "a"));
        model.Graph.Input.Insert(0, Value("w", 4));
        using var network = Load(model);
        Assert.AreEqual("x", network.Graph.Inputs.Single().Name);
        using var input = torch.tensor([-1f, 1, 2, -9]);
        using var output = network.Forward(input);
        CollectionAssert.AreEqual(new[] { 1f, 3, 5, 4 }, output.data<float>().ToArray());
    }

    [TestMethod]
    public void AcceptsAnOutputThatIsAnInputOrATensor()
    {
        var model = ModelOf(13, [4], Floats("w", [4], 1, 2, 3, 4));
        model.Graph.Output[0].Name = "x";
        model.Graph.Output.Add(Value("w", 4));
        using var network = Load(model);
        using var input = torch.tensor([-1f, 1, 2, -9]);
        LiveTensors.AssertUnchanged(() =>
        {
            using var output = network.Forward(input);
            CollectionAssert.AreEqual(new[] { -1f, 1, 2, -9 }, output.data<float>().ToArray());
        });
    }

    [TestMethod]
    [Timeout(20_000)]
    public void ALongChainTakesNoStackAndLinearTime()
    {
        const int Length = 100_000;
        var nodes = Enumerable.Range(0, Length)
            .Select(i => Node("Relu", i == 0 ? "x" : $"v{i}", i == Length - 1 ? "y" : $"v{i + 1}"));
        // Backwards, so that order has to be found.
        var watch = Stopwatch.StartNew();
        using var network = Load(ModelOf(13, [4], [.. nodes.Reverse()]));
        using var input = torch.tensor([-1f, 1, 2, -9]);
        using var output = network.Forward(input);
        Assert.HasCount(Length, network.Graph.Nodes);
        Assert.AreEqual(3, output.sum().item<float>());
        Assert.IsLessThan(10, watch.Elapsed.TotalSeconds);
    }

    [TestMethod]
    public void DeeplyNestedMessagesAreRefused()
    {
        // 0x3B opens a group within the field of the graph, again and again.
        Assert.ThrowsExactly<InvalidDataException>(() => Load([.. Enumerable.Repeat((byte)0x3B, 1_000_000)]));
    }

    /// <summary>What protobuf says of its messages, tags and varints helps nobody who has a file.</summary>
    [TestMethod]
    public void AFileThatCannotBeReadIsSaidToBeDamaged()
    {
        const string damaged = "The file is not an ONNX network, or it is damaged.";
        var model = Changed(_ => { }).ToByteArray();
        byte[][] files = [model[..^3], [.. Enumerable.Repeat((byte)0x3B, 1000)], [0xFF, .. model],
            "PK\u0003\u0004"u8.ToArray()];
        foreach (var file in files)
            Assert.AreEqual(damaged, Assert.ThrowsExactly<InvalidDataException>(() => Load(file)).Message);

        using var folder = new TemporaryDirectory();
        var path = folder.Combine("network.onnx");
        File.WriteAllBytes(path, model[..^3]);
        foreach (var read in new Action[] { () => Network.LoadOnnx(path).Dispose(), () => Network.ReadOnnxMetadata(path) })
            Assert.AreEqual($"'{path}': {damaged}", Assert.ThrowsExactly<InvalidDataException>(read).Message);
    }

    private static TestDataRow<(string, byte[], string)> Row(string what, ModelProto model, string named) =>
        new((what, model.ToByteArray(), named)) { DisplayName = what };

    /// <summary>More integers than are computed when a file is read.</summary>
    private static TensorProto Many(string name, long value) => Longs(name, [.. Enumerable.Repeat(value, 5000)]);

    /// <summary>A sound model, spoilt.</summary>
    private static ModelProto Changed(Action<ModelProto> change)
    {
        var model = ModelOf(13, [4], Floats("w", [4], 1, 2, 3, 4), Node("Add", "x w", "y"));
        change(model);
        return model;
    }

    private static NodeProto With(NodeProto node, AttributeProto attribute)
    {
        node.Attribute.Add(attribute);
        return node;
    }
}
