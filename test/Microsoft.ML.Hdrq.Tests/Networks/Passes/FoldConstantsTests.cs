using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Passes;

[TestClass]
public class FoldConstantsTests
{
    [TestMethod]
    public void ComputesConstantsOnceAndDropsWhatNothingNeeds()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var builder = new NetworkBuilder();
            builder.Input("x", -1, 2);
            builder.Constant("a", 1, 2);
            builder.Constant("b", 1, -3);
            builder.Constant("unused", 1);
            builder.Node("Add", "c", ["a", "b"]);
            builder.Node("Identity", "i", ["x"]);
            builder.Node("Reshape", "y", ["i", "c"]);
            builder.Node("Relu", "aside", ["x"]);
            using var network = builder.Build(new GraphValue("y", ElementType.Float32, [2, -1]));
            using var folded = FoldConstants.Apply(network);
            // (1, 2) + (1, -3) = (2, -1), by hand.
            Assert.AreEqual("Reshape", folded.Graph.Nodes.Single().Operator.Type);
            CollectionAssert.AreEqual(new[] { "x", "c" }, folded.Graph.Nodes[0].Inputs.ToArray());
            Assert.AreEqual(TensorData.Of([2L, -1], 2), TensorData.FromTorch(folded.Parameters.Values.Single()));
            Assert.AreEqual(ParameterRole.Constant, folded.Graph.Parameters.Single().Role);
            Assert.HasCount(4, network.Graph.Nodes);
        });
    }

    [TestMethod]
    public void WeightsAreNotConstants()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Parameter("w", torch.tensor([-1f, 2]));
        builder.Node("Relu", "v", ["w"]);
        builder.Node("Mul", "y", ["x", "v"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
        using var folded = FoldConstants.Apply(network);
        Assert.AreEqual(network.Graph, folded.Graph);
        using (torch.no_grad())
            folded.Parameters["w"].fill_(3);
        Assert.AreEqual(-1f, network.Parameters["w"].data<float>()[0]);
    }

    [TestMethod]
    public void AWeightIsMovedIntoItsLayersShape()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using var network = new Network(
                new Graph(
                    [new GraphValue("x", ElementType.Float32, [-1, 128])],
                    // Larger than constants may be.
                    [new ParameterDefinition("w", ElementType.Float32, [64 * 128], ParameterRole.Weight),
                        new ParameterDefinition("shape", ElementType.Int64, [2], ParameterRole.Constant)],
                    [Node("Reshape", "r", "w", "shape"), Node("Identity", "i", "r"), Node("Transpose", "t", "i"),
                        Node("MatMul", "y", "x", "t")],
                    [new GraphValue("y", ElementType.Float32, [-1, 64])]),
                new Dictionary<string, torch.Tensor>
                {
                    ["w"] = torch.arange(64 * 128, torch.ScalarType.Float32),
                    ["shape"] = torch.tensor([64L, 128])
                });
            using var folded = FoldConstants.Apply(network);
            CollectionAssert.AreEqual(new[] { "x", "w" }, folded.Graph.Nodes.Single().Inputs.ToArray());
            Assert.AreEqual(new ParameterDefinition("w", ElementType.Float32, [128, 64], ParameterRole.Weight),
                folded.Graph.Parameters.Single());
            Assert.AreEqual(128 * 5 + 3, folded.Parameters["w"][3, 5].item<float>());
            Assert.AreEqual(1, network.Parameters["w"].dim());
        });

        static GraphNode Node(string type, string name, params string[] inputs) =>
            new(name, Operator.Create(type, OperatorAttributes.None), [.. inputs], [name]);
    }

    [TestMethod]
    public void AWeightThatOthersReadStaysBesideWhatIsMovedOfIt()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Parameter("w", torch.tensor(new[,] { { 1f, 2 }, { 3, 4 } }));
        builder.Node("Identity", "i", ["w"]);
        builder.Node("Transpose", "t", ["i"]);
        builder.Node("MatMul", "m", ["x", "t"]);
        builder.Node("MatMul", "y", ["m", "w"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
        using var folded = FoldConstants.Apply(network);
        CollectionAssert.AreEqual(new[] { "x t", "m w" },
            folded.Graph.Nodes.Select(node => string.Join(' ', node.Inputs)).ToArray());
        CollectionAssert.AreEqual(new[] { 1f, 3, 2, 4 }, folded.Parameters["t"].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 1f, 2, 3, 4 }, folded.Parameters["w"].data<float>().ToArray());
        Assert.IsTrue(folded.Graph.Parameters.All(parameter => parameter.Role == ParameterRole.Weight));
    }

    [TestMethod]
    public void AWeightIsNotMovedByWhatIsComputed()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Parameter("w", torch.ones(4));
        builder.Node("Shape", "s", ["x"]);
        builder.Node("Reshape", "r", ["w", "s"]);
        builder.Node("Add", "y", ["x", "r"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
        using var folded = FoldConstants.Apply(network);
        Assert.AreEqual(network.Graph, folded.Graph);
    }

    [TestMethod]
    public void OutputsKeepTheirNames()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", 2);
        builder.Constant("a", 1, 2);
        builder.Node("Identity", "y", ["x"]);
        builder.Node("Add", "z", ["a", "a"]);
        using var network = builder.Build(
            new GraphValue("y", ElementType.Float32, [2]), new GraphValue("z", ElementType.Int64, [2]));
        using var folded = FoldConstants.Apply(network);
        Assert.AreEqual("Identity", folded.Graph.Nodes.Single().Operator.Type);
        using var input = torch.tensor([5f, 6]);
        using var scope = torch.NewDisposeScope();
        var outputs = folded.Run([input], ForwardMode.Inference);
        CollectionAssert.AreEqual(new[] { 5f, 6 }, outputs[0].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 2L, 4 }, outputs[1].data<long>().ToArray());
    }

    [TestMethod]
    public void FourBitIntegersStayWhatTheyAre()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", 4);
        builder.Parameter("q", torch.tensor((sbyte[])[-8, 7, 0, 1]), ParameterRole.Constant, ElementType.Int4);
        builder.Constant("shape", 2, 2);
        builder.Node("Reshape", "r", ["q", "shape"]);
        builder.Node("Cast", "f", ["q"], ("to", 1));
        builder.Node("Add", "y", ["x", "f"]);
        using var network = builder.Build(
            new GraphValue("y", ElementType.Float32, [4]), new GraphValue("r", ElementType.Int4, [2, 2]));
        using var folded = FoldConstants.Apply(network);
        Assert.AreEqual(ElementType.Int4, folded.Graph.Parameters.Single(parameter => parameter.Name == "q").ElementType);
        CollectionAssert.AreEquivalent(
            new[] { "Reshape", "Add" }, folded.Graph.Nodes.Select(node => node.Operator.Type).ToArray());
        CollectionAssert.AreEqual(new[] { -8f, 7, 0, 1 }, folded.Parameters["f"].data<float>().ToArray());
    }

    [TestMethod]
    public void ConstantsThatCannotBeComputedNameTheNode()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", 2);
        builder.Constant("a", 1, 2);
        builder.Constant("b", 1, 2, 3);
        builder.Node("Add", "c", ["a", "b"]);
        builder.Node("Reshape", "y", ["x", "c"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [2]));
        LiveTensors.AssertUnchanged(() =>
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => FoldConstants.Apply(network)).Message, "'c' (Add)"));
    }
}
