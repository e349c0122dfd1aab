using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public class GraphTests
{
    private static readonly GraphValue Input = new("x", ElementType.Float32, [-1, 4]);
    private static readonly GraphValue Output = new("y", ElementType.Float32, [-1, 4]);
    private static readonly ParameterDefinition Weight = new("w", ElementType.Float32, [4], ParameterRole.Weight);

    [TestMethod]
    public void NamesOfNodesAndOfValuesInBetweenDoNotCount()
    {
        var a = Make([Node("Add", "first", ["x", "w"], "h"), Node("Relu", "second", ["h"], "y")]);
        var b = Make([Node("Add", "other", ["x", "w"], "k"), Node("Relu", "", ["k"], "y")]);
        Assert.IsNull(a.FirstDifference(b));
        Assert.AreEqual(a, b);
        Assert.AreEqual(a.GetHashCode(), b.GetHashCode());
    }

    [TestMethod]
    public void TheFirstDifferenceIsNamed()
    {
        var graph = Make([Node("Add", "n", ["x", "w"], "h"), Node("Softmax", "m", ["h"], "y", ("axis", 1))]);
        var nodes = graph.Nodes;
        Differs(new Graph([new("x", ElementType.Float32, [-1, 5])], graph.Parameters, nodes, graph.Outputs), "[?, 5]");
        Differs(new Graph([Input, new("z", ElementType.Float32, [])], graph.Parameters, nodes, graph.Outputs), "inputs");
        Differs(new Graph(graph.Inputs, [new("w", ElementType.Float32, [4, 1], ParameterRole.Weight)], nodes,
            graph.Outputs), "w: Float32[4, 1]");
        Differs(new Graph(graph.Inputs, [new("w", ElementType.Float32, [4], ParameterRole.Constant)], nodes,
            graph.Outputs), "Constant");
        Differs(new Graph(graph.Inputs, [new("w", ElementType.Float16, [4], ParameterRole.Weight)], nodes,
            graph.Outputs), "Float16");
        Differs(Make([Node("Add", "n", ["x", "v"], "h"), nodes[1]],
            [new("v", ElementType.Float32, [4], ParameterRole.Weight)]), "w: Float32[4] (Weight) is in one graph only");
        Differs(new Graph(graph.Inputs, [Weight, new("v", ElementType.Float32, [4], ParameterRole.Weight)], nodes,
            graph.Outputs), "v: Float32[4] (Weight) is in one graph only");
        Differs(Make([nodes[0], Node("Softmax", "m", ["h"], "y", ("axis", 0))]), "'m' (Softmax)");
        Differs(Make([Node("Mul", "n", ["x", "w"], "h"), nodes[1]]), "'n' (Mul)");
        Differs(Make([Node("Add", "n", ["w", "x"], "h"), nodes[1]]), "'n' (Add)");
        Differs(Make([Node("Add", "n", ["x", "x"], "h"), nodes[1]]), "'n' (Add)");
        Differs(Make([nodes[0], nodes[1], Node("Relu", "r", ["h"], "z")]), "nodes");
        Differs(new Graph(graph.Inputs, graph.Parameters, nodes, [Output, new("h", ElementType.Float32, [-1, 4])]),
            "outputs");
        Differs(new Graph(graph.Inputs, graph.Parameters, nodes, [new("y", ElementType.Float32, [-1])]), "[?]");

        void Differs(Graph other, string named)
        {
            StringAssert.Contains(graph.FirstDifference(other), named);
            Assert.IsNotNull(other.FirstDifference(graph));
            Assert.AreNotEqual(graph, other);
        }
    }

    [TestMethod]
    public void AttributesThatSayWhatTheirAbsenceSaysDoNotCount()
    {
        // Defaults from https://github.com/onnx/onnx/blob/main/docs/Operators.md.
        Same("Conv", [("group", 1), ("strides", new[] { 1L, 1 }), ("dilations", new[] { 1L, 1 }),
            ("pads", new[] { 0L, 0, 0, 0 }), ("auto_pad", "NOTSET")], []);
        Same("Conv", [("kernel_shape", new[] { 3L, 3 }), ("strides", new[] { 1L, 1 })], [("kernel_shape", new[] { 3L, 3 })]);
        Same("Softmax", [("axis", -1)], []);
        Same("Reshape", [("allowzero", 0)], []);
        Same("Transpose", [("perm", new[] { 2L, 1, 0 })], []);
        Same("TopK", [("sorted", 1), ("largest", 1), ("axis", -1)], []);
        Same("Cast", [("to", 1), ("saturate", 1)], [("to", 1)]);
        Same("Gemm", [("alpha", 1f), ("beta", 1f), ("transA", 0), ("transB", 0)], []);
        Same("BatchNormalization", [("epsilon", 1e-5f), ("momentum", 0.9f), ("training_mode", 0)], []);
        Same("ConstantOfShape", [("value", TensorData.Of<float>([0], 1))], []);
        Same("Resize", [("mode", "nearest"), ("nearest_mode", "round_prefer_floor"),
            ("coordinate_transformation_mode", "half_pixel"), ("cubic_coeff_a", -0.75f)], []);
        Same("Resize", [("antialias", 0), ("exclude_outside", 0), ("keep_aspect_ratio_policy", "stretch")], []);
        // Needed, or of another meaning.
        Differ("Concat", [("axis", 0)], [("axis", 1)]);
        Assert.IsTrue(Operator.Create("Concat", new OperatorAttributes(("axis", 0))).Attributes.Contains("axis"));
        Assert.IsTrue(Operator.Create("Split", new OperatorAttributes(("num_outputs", 1))).Attributes.Contains(
            "num_outputs"));
        Differ("Conv", [("strides", new[] { 2L, 1 })], []);
        Differ("Conv", [("pads", new[] { 0L, 0, 0, 1 })], []);
        Differ("Transpose", [("perm", new[] { 0L, 1, 2 })], []);
        Differ("Softmax", [("axis", 1)], []);
        Differ("FakeQuantize", [("minimum", 0), ("maximum", 15), ("axis", 0)], [("minimum", 0), ("maximum", 15)]);
        Differ("ConstantOfShape", [("value", TensorData.Of<long>([0], 1))], []);

        static void Same(string type, (string, object)[] a, (string, object)[] b)
        {
            var (x, y) = (Operator.Create(type, new OperatorAttributes(a)),
                Operator.Create(type, new OperatorAttributes(b)));
            Assert.AreEqual(x, y);
            Assert.AreEqual(x.GetHashCode(), y.GetHashCode());
            Assert.AreEqual(y.ToString(), x.ToString());
        }

        static void Differ(string type, (string, object)[] a, (string, object)[] b) =>
            Assert.AreNotEqual(Operator.Create(type, new OperatorAttributes(a)),
                Operator.Create(type, new OperatorAttributes(b)));
    }

    [TestMethod]
    public void ConstantsAreKnownByTheirPlaces()
    {
        var axes = new ParameterDefinition("axes", ElementType.Int64, [1], ParameterRole.Constant);
        var shared = Make([Node("ReduceMean", "m", ["x", "axes"], "h"), Node("ReduceMax", "n", ["h", "axes"], "y")], [axes]);
        Same(Make([Node("ReduceMean", "m", ["x", "a"], "h"), Node("ReduceMax", "n", ["h", "b"], "y")],
            [Constant("a"), Constant("b")]));
        Same(Make(shared.Nodes, [axes, Constant("unread")]));
        // One axis is one axis, whether it is a list or not, and however many bits it has.
        Same(Make(shared.Nodes, [new("axes", ElementType.Int32, [1], ParameterRole.Constant)]));
        Same(Make(shared.Nodes, [new("axes", ElementType.Int64, [], ParameterRole.Constant)]));
        Differs(Make(shared.Nodes, [new("axes", ElementType.Int64, [2], ParameterRole.Constant)]), "axes: Int64[2]");
        Differs(Make(shared.Nodes, [new("axes", ElementType.Float32, [1], ParameterRole.Constant)]), "axes: Float32[1]");
        Differs(Make([Node("ReduceMean", "m", ["x"], "h"), shared.Nodes[1]], [axes]), "'m' (ReduceMean)");
        // Added, a number is not a list.
        var added = Make([Node("Add", "n", ["x", "c"], "y")], [new("c", ElementType.Float32, [], ParameterRole.Constant)]);
        Assert.IsNotNull(added.FirstDifference(
            Make(added.Nodes, [new("c", ElementType.Float32, [1], ParameterRole.Constant)])));

        void Same(Graph other)
        {
            Assert.IsNull(shared.FirstDifference(other));
            Assert.IsNull(other.FirstDifference(shared));
        }

        void Differs(Graph other, string named)
        {
            StringAssert.Contains(shared.FirstDifference(other), named);
            Assert.IsNotNull(other.FirstDifference(shared));
        }

        static ParameterDefinition Constant(string name) => new(name, ElementType.Int64, [1], ParameterRole.Constant);
    }

    [TestMethod]
    public void TheSameOutputNameOnAnotherNodeIsADifference()
    {
        var a = Make([Node("Relu", "n", ["x"], "y"), Node("Relu", "m", ["x"], "h")]);
        var b = Make([Node("Relu", "n", ["x"], "h"), Node("Relu", "m", ["x"], "y")]);
        StringAssert.Contains(a.FirstDifference(b), "Output 'y'");
    }

    [TestMethod]
    public void AnOptionalInputLeftOutIsNoInput()
    {
        var a = Make([Node("Clip", "n", ["x", "", "w"], "y")]);
        var b = Make([Node("Clip", "n", ["x", "w"], "y")]);
        Assert.IsNotNull(a.FirstDifference(b));
        Assert.IsNull(a.FirstDifference(Make([Node("Clip", "m", ["x", "", "w"], "y")])));
    }

    [TestMethod]
    public void IllFormedGraphsAreRefused()
    {
        var relu = Node("Relu", "n", ["x"], "y");
        Refused("input", () => new Graph([], [], [relu], [Output]));
        Refused("output", () => new Graph([Input], [], [relu], []));
        Refused("'x' is defined twice", () => new Graph([Input, Input], [], [relu], [Output]));
        Refused("'x' is defined twice",
            () => new Graph([Input], [new("x", ElementType.Float32, [], ParameterRole.Weight)], [relu], [Output]));
        Refused("'n' (Relu) defines 'x'", () => Make([Node("Relu", "n", ["w"], "x")]));
        Refused("'n' (Relu) reads 'h'", () => Make([Node("Relu", "n", ["h"], "y"), Node("Relu", "m", ["x"], "h")]));
        Refused("'n' (Relu) reads 'y'", () => Make([Node("Relu", "n", ["y"], "y")]));
        Refused("'n' (Add)", () => Make([Node("Add", "n", ["x"], "y")]));
        Refused("'n' (Add)", () => Make([Node("Add", "n", ["x", ""], "y")]));
        Refused("'n' (Add)", () => Make([Node("Add", "n", ["x", "w", "w"], "y")]));
        Refused("'n' (Concat)", () => Make([Node("Concat", "n", ["x", "", "w"], "y", ("axis", 0))]));
        Refused("'n' (Relu)", () => Make([new GraphNode("n", Operator.Create("Relu"), ["x"], ["y", "z"])]));
        Refused("'n' (Relu)", () => Make([new GraphNode("n", Operator.Create("Relu"), ["x"], [])]));
        Refused("'z' is not defined", () => new Graph([Input], [], [relu], [new("z", ElementType.Float32, [])]));
        Refused("'y' is listed twice", () => new Graph([Input], [], [relu], [Output, Output]));
        Refused("nodes", () => new Graph([Input], [], default, [Output]));
        Refused("parameters", () => new Graph([Input], default, [relu], [Output]));
        Refused("'n' (Relu)", () => new GraphNode("n", Operator.Create("Relu"), default, ["y"]));
        Refused("'n' (Relu)", () => new GraphNode("n", Operator.Create("Relu"), ["x"], default));
        Refused("'x'", () => new GraphValue("x", ElementType.Float32, [-2]));
        Assert.ThrowsExactly<ArgumentException>(() => new GraphValue("", ElementType.Float32, []));
        Assert.ThrowsExactly<NotSupportedException>(() => Operator.Create("Whirl"));

        static void Refused(string named, Func<object> make) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => make()).Message, named);
    }

    private static Graph Make(ImmutableArray<GraphNode> nodes, ImmutableArray<ParameterDefinition>? parameters =
        null) => new([Input], parameters ?? [Weight], nodes, [Output]);

    private static GraphNode Node(
        string type, string name, ImmutableArray<string> inputs, string output, params (string, object)[] attributes) =>
        new(name, Operator.Create(type, new OperatorAttributes(attributes)), inputs, [output]);
}
