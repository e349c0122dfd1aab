using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;
using Kind = Microsoft.ML.Hdrq.Onnx.Protobuf.AttributeProto.Types.AttributeType;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Control flow that does not depend on data, against ONNX Runtime, and such as does.</summary>
[TestClass]
public sealed class ConstantFlowTests
{
    private static readonly long[] Image = [2, 3, 4, 4];

    private static IEnumerable<TestDataRow<byte[]>> Constant =>
    [
        Row("a condition that is stored", 13, Bool("c", true), If("c", "y")),
        Row("the other branch", 11, Bool("c", false), If("c", "y")),
        Row("a condition that is computed", 13, Longs("a", 3), Longs("b", 3), Node("Equal", "a b", "e"),
            Longs("axis", 0), Node("Squeeze", "e axis", "c"), If("c", "y")),
        Row("a size of the input", 13, [.. Size("x", 1, 3), If("c", "y")]),
        Row("a size of a value", 13, Node("GlobalAveragePool", "x", "p"), Node("Add", "x p", "v"),
            [.. Size("v", 2, 1), If("c", "y", "v")]),
        Row("one within the other", 13, Bool("c", true), Nested()),
        Row("a loop", 13, Count(3), Bool("c", true), Loop("n c x", "y all", scanned: false)),
        Row("a loop whose iterations are collected", 13, Count(4), Loop("n _ x", "last y", scanned: true)),
        Row("a loop of opset 11 whose iterations are collected", 11, Count(2), Loop("n _ x", "last y", scanned: true)),
    ];

    [TestMethod]
    [DynamicData(nameof(Constant))]
    public void WhatIsTakenIsWhatOnnxRuntimeTakes(byte[] model)
    {
        using var network = Load(model);
        Assert.IsEmpty(network.Graph.Nodes.Where(node => node.Operator.Type is "If" or "Loop"));
        ModelParity.AssertEqualScores(model, network, Image);
        using var again = Load(Save(network));
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
    }

    [TestMethod]
    public void WhatDependsOnDataIsRefused()
    {
        var condition = Model(13, Node("ReduceMax", "x", "m", ("keepdims", 0)), Longs("type", 1),
            Node("Cast", "m", "c", ("to", (int)ElementType.Bool)), If("c", "y"));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Load(condition)).Message,
            "If (node 'If-y')");
        // The number of rows is not known.
        var rows = Model(13, [.. Size("x", 0, 3), If("c", "y")]);
        Assert.ThrowsExactly<NotSupportedException>(() => Load(rows));
        var count = Model(13, Node("ReduceMax", "x", "m", ("keepdims", 0)),
            Node("Cast", "m", "n", ("to", (int)ElementType.Int64)), Loop("n _ x", "y all", scanned: false));
        Assert.ThrowsExactly<NotSupportedException>(() => Load(count));
        Assert.ThrowsExactly<NotSupportedException>(
            () => Load(Model(13, Count(1L << 40), Loop("n _ x", "y all", scanned: false))));
    }

    private static TestDataRow<byte[]> Row(string name, int opset, params IMessage[] parts) =>
        new(Model(opset, parts)) { DisplayName = name };

    private static TestDataRow<byte[]> Row(
        string name, int opset, IMessage first, IMessage second, IMessage[] others) =>
        Row(name, opset, [first, second, .. others]);

    private static byte[] Model(int opset, params IMessage[] parts) =>
        ModelOf(opset, [-1, .. Image[1..]], parts).ToByteArray();

    private static TensorProto Bool(string name, bool value) => Scalar(name, TensorData.Of([value]));

    private static TensorProto Count(long value) => Scalar("n", TensorData.Of([value]));

    private static TensorProto Scalar(string name, TensorData data)
    {
        var tensor = OnnxTensors.Write(name, data);
        tensor.Dims.Clear();
        return tensor;
    }

    /// <summary>Whether a dimension of a value has a size: what PyTorch writes around a squeeze.</summary>
    private static IMessage[] Size(string value, int axis, long size) =>
    [
        Node("Shape", value, "shape"), Scalar("axis", TensorData.Of([(long)axis])), Scalar("size", TensorData.Of([size])),
        Node("Gather", "shape axis", "actual"), Node("Equal", "actual size", "c"),
    ];

    private static NodeProto If(string condition, string output, string value = "x")
    {
        var yes = new GraphProto { Name = "yes", Output = { Value("r") } };
        yes.Node.Add(Node("Relu", value, "r"));
        var no = new GraphProto { Name = "no", Output = { Value("r") }, Initializer = { Floats("two", [], 2) } };
        no.Node.AddRange([Node("Mul", $"{value} two", "m"), Node("Sigmoid", "m", "r")]);
        return With(Node("If", condition, output), ("then_branch", yes), ("else_branch", no));
    }

    private static NodeProto Nested()
    {
        var inner = new GraphProto { Name = "inner", Output = { Value("q") }, Initializer = { Bool("d", false) } };
        inner.Node.AddRange([Node("Neg", "x", "negative"), If("d", "q", "negative")]);
        var other = new GraphProto { Name = "other", Output = { Value("o") } };
        other.Node.Add(Node("Identity", "x", "o"));
        return With(Node("If", "c", "y"), ("then_branch", inner), ("else_branch", other));
    }

    /// <summary>A loop that adds the number of the iteration to a value, and collects what it has then.</summary>
    private static NodeProto Loop(string inputs, string outputs, bool scanned)
    {
        var body = new GraphProto
        {
            Name = "body",
            Input = { Value("i", ElementType.Int64, []), Value("on", ElementType.Bool, []), Value("v") },
            Output = { Value("goes", ElementType.Bool, []), Value("w"), Value("s") },
        };
        body.Node.AddRange(
        [
            Node("Identity", "on", "goes"), Node("Cast", "i", "f", ("to", (int)ElementType.Float32)),
            Node("Add", "v f", "w"),
            scanned ? Node("ReduceMean", "w", "s", ("axes", new[] { 1L, 2, 3 }), ("keepdims", 0))
                : Node("Identity", "w", "s"),
        ]);
        return With(Node("Loop", inputs, outputs), ("body", body));
    }

    private static NodeProto With(NodeProto node, params (string Name, GraphProto Graph)[] graphs)
    {
        node.Attribute.AddRange(graphs.Select(
            graph => new AttributeProto { Name = graph.Name, Type = Kind.Graph, G = graph.Graph }));
        return node;
    }
}
