using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public class NetworkTests
{
    [TestMethod]
    public void ComputesWithoutGradientsAndLeavesNothingButTheResult()
    {
        using var network = Line();
        using var input = torch.tensor([1f, 2, 3, 4, 5, 6], 2, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            using var output = network.Forward(input);
            // (x w + b) with w = (1, 10, 100) and b = 0.5, by hand.
            CollectionAssert.AreEqual(new[] { 321.5f, 654.5f }, output.data<float>().ToArray());
            Assert.IsFalse(output.requires_grad);
        });
        // The result outlives a scope only if its owner takes it out, like any tensor.
        torch.Tensor kept;
        using (torch.NewDisposeScope())
            kept = network.Forward(input).MoveToOuterDisposeScope();
        Assert.IsFalse(kept.IsInvalid);
        kept.Dispose();
    }

    [TestMethod]
    [DataRow(ForwardMode.Gradient)]
    [DataRow(ForwardMode.Training)]
    public void GradientsFlowToParametersThatAskForThem(ForwardMode mode)
    {
        using var network = Line();
        using var input = torch.tensor([1f, 2, 3, 4, 5, 6], 2, 3);
        network.Parameters["w"].requires_grad = true;
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using (torch.no_grad())
                Assert.IsFalse(network.Forward(input).requires_grad);
            network.Forward(input, mode).sum().backward();
            CollectionAssert.AreEqual(new[] { 5f, 7, 9 }, network.Parameters["w"].grad!.data<float>().ToArray());
            Assert.IsNull(network.Parameters["b"].grad);
            network.Parameters["w"].grad!.zero_();
            network.Parameters["w"].grad = null;
        });
    }

    [TestMethod]
    public void TrainingUpdatesStatisticsAndTheOtherModesDoNot()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 1);
        builder.Parameter("scale", torch.ones(1));
        builder.Parameter("bias", torch.zeros(1));
        builder.Parameter("mean", torch.zeros(1), ParameterRole.Statistic);
        builder.Parameter("variance", torch.ones(1), ParameterRole.Statistic);
        builder.Node("BatchNormalization", "y", ["x", "scale", "bias", "mean", "variance"], ("momentum", 0.75f));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 1]));
        using var input = torch.tensor([2f, 4, 6, 8], 4, 1);
        network.Forward(input, ForwardMode.Gradient).Dispose();
        network.Forward(input).Dispose();
        Assert.AreEqual(0f, network.Parameters["mean"].item<float>());
        network.Forward(input, ForwardMode.Training).Dispose();
        // Mean 5 and unbiased variance 20/3, a quarter of each.
        Assert.AreEqual(1.25f, network.Parameters["mean"].item<float>(), 1e-6f);
        Assert.AreEqual(0.75f + 20f / 3 / 4, network.Parameters["variance"].item<float>(), 1e-5f);
    }

    [TestMethod]
    public void RefusesBatchesOfAnotherShapeOrType()
    {
        using var network = Line();
        using var wide = torch.zeros(2, 4);
        using var flat = torch.zeros(3);
        using var doubles = torch.zeros(2, 3, torch.ScalarType.Float64);
        LiveTensors.AssertUnchanged(() =>
        {
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => network.Forward(wide)).Message,
                "[2, 4] instead of [?, 3]");
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => network.Forward(flat)).Message, "[3]");
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => network.Forward(doubles)).Message,
                "Float64");
            Assert.ThrowsExactly<ArgumentNullException>(() => network.Forward(null!));
        });
        using var empty = torch.zeros(0, 3);
        using var nothing = network.Forward(empty);
        CollectionAssert.AreEqual(new long[] { 0, 1 }, nothing.shape);
    }

    [TestMethod]
    public void RefusesOneBatchForTwoInputs()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3);
        builder.Input("y", -1, 3);
        builder.Node("Add", "z", ["x", "y"]);
        using var network = builder.Build(new GraphValue("z", ElementType.Float32, [-1, 3]));
        using var batch = torch.zeros(2, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            Assert.ThrowsExactly<InvalidOperationException>(() => network.Forward(batch));
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentException>(() => network.Run([batch], ForwardMode.Inference)).Message,
                "The network has 2 inputs, and 1 was given.");
        });
    }

    [TestMethod]
    public void AFailingNodeIsNamedAndLeavesNothing()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, -1);
        builder.Constant("shape", 7, -1);
        builder.Node("Relu", "r", ["x"]);
        builder.Node("Reshape", "y", ["r", "shape"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, -1]));
        using var input = torch.zeros(2, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            var message = Assert.ThrowsExactly<InvalidOperationException>(() => network.Forward(input)).Message;
            StringAssert.Contains(message, "'y' (Reshape)");
            StringAssert.Contains(message, "[2, 3], [2]");
            Assert.DoesNotContain("\n", message);
        });
    }

    [TestMethod]
    public void ACopyIsIndependent()
    {
        using var network = Line();
        network.Parameters["w"].requires_grad = true;
        using var input = torch.tensor([1f, 2, 3], 1, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using var clone = network.Clone();
            using var moved = network.To(torch.CPU);
            using (torch.no_grad())
            {
                clone.Parameters["w"].zero_();
                moved.Parameters["b"].zero_();
            }
            using var original = network.Forward(input);
            using var changed = clone.Forward(input);
            Assert.AreEqual(321.5f, original.item<float>());
            Assert.AreEqual(0.5f, changed.item<float>());
            Assert.AreSame(network.Graph, clone.Graph);
        });
        var copy = network.Clone();
        network.Dispose();
        using (copy)
        using (var output = copy.Forward(input))
            Assert.AreEqual(321.5f, output.item<float>());
    }

    [TestMethod]
    public void DisposingFreesTheParametersOnce()
    {
        using var input = torch.zeros(1, 3);
        LiveTensors.AssertUnchanged(() =>
        {
            var network = Line();
            network.Dispose();
            network.Dispose();
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.Forward(input));
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.Parameters);
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.Clone());
        });
    }

    [TestMethod]
    public void TakesOverTensorsOnlyWhenTheyFit()
    {
        using var line = Line();
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            var graph = line.Graph;
            Dictionary<string, torch.Tensor> Tensors(long rows = 3, torch.ScalarType type = torch.ScalarType.Float32) =>
                new() { ["w"] = torch.zeros(rows, 1, type), ["b"] = torch.zeros(1) };
            Refused("'w' has shape [4, 1] instead of [3, 1]", Tensors(4));
            Refused("'w' has type Float64", Tensors(3, torch.ScalarType.Float64));
            Refused("'b' is missing", new() { ["w"] = torch.zeros(3, 1) });
            Refused("no parameter 'c'", new(Tensors()) { ["c"] = torch.zeros(1) });

            void Refused(string named, Dictionary<string, torch.Tensor> tensors)
            {
                StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
                    () => new Network(graph, tensors)).Message, named);
                Assert.IsFalse(tensors["w"].IsInvalid);
            }
        });
    }

    [TestMethod]
    public void ParametersAreFoundByName()
    {
        using var network = Line();
        Assert.HasCount(2, network.Parameters);
        CollectionAssert.AreEqual(new[] { "w", "b" }, network.Parameters.Keys.ToArray());
        Assert.IsTrue(network.Parameters.ContainsKey("w"));
        Assert.IsFalse(network.Parameters.TryGetValue("x", out _));
        StringAssert.Contains(Assert.ThrowsExactly<KeyNotFoundException>(() => network.Parameters["x"]).Message, "'x'");
        Assert.AreSame(network.Parameters["b"], network.Parameters.Last().Value);
    }

    [TestMethod]
    public void TheBuilderRefusesWhatDoesNotFitAndFreesWhatIsNotBuilt()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var builder = new NetworkBuilder();
            builder.Input("x", -1, 3);
            builder.Parameter("w", torch.zeros(3));
            using var other = torch.zeros(3);
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => builder.Parameter("w", other)).Message,
                "'w'");
            Assert.ThrowsExactly<ArgumentException>(() => builder.Input("w", 1));
            Assert.ThrowsExactly<ArgumentException>(() => builder.Node("Relu", "x", ["w"]));
            Assert.ThrowsExactly<NotSupportedException>(() => builder.Node("Whirl", "y", ["x"]));
            Assert.ThrowsExactly<InvalidDataException>(() => builder.Node("Conv", "y", ["x", "w"], ("group", 0.5f)));
            Assert.AreEqual("w_1", builder.FreshName("w"));
            Assert.AreEqual("new", builder.FreshName("new"));
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
                () => builder.Build(new GraphValue("y", ElementType.Float32, []))).Message, "'y'");
        });
    }

    [TestMethod]
    public void ABuilderBuildsOnce()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1);
        builder.Parameter("w", torch.zeros(1));
        builder.Node("Add", "y", ["x", "w"]);
        var output = new GraphValue("y", ElementType.Float32, [-1]);
        using var network = builder.Build(output);
        using var late = torch.zeros(1);
        Assert.ThrowsExactly<ObjectDisposedException>(() => builder.Build(output));
        Assert.ThrowsExactly<ObjectDisposedException>(() => builder.Parameter("v", late));
        builder.Dispose();
        Assert.IsFalse(network.Parameters["w"].IsInvalid);
    }

    /// <summary>x w + b.</summary>
    private static Network Line()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3);
        builder.Parameter("w", torch.tensor([1f, 10, 100], 3, 1));
        builder.Parameter("b", torch.tensor([0.5f]));
        builder.Node("MatMul", "m", ["x", "w"]);
        builder.Node("Add", "y", ["m", "b"]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 1]));
    }
}
