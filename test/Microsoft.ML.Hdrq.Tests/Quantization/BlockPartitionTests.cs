using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class BlockPartitionTests
{
    [TestMethod]
    public void AResidualNetworkIsItsStemItsBlocksAndItsClassifier()
    {
        using var network = SmallNetworks.Residual();
        AssertBlocks(network.Graph, "conv1 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 scores");
        foreach (var placement in Enum.GetValues<QuantizerPlacement>())
        {
            using var scope = torch.NewDisposeScope();
            using var quantized = SmallNetworks.Quantize(network, SmallNetworks.Random(1, 4, 3, 8, 8), 4, 4, placement);
            AssertBlocks(quantized.Graph, "conv1 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 scores");
            // What quantizes a block's output belongs to it, so that its scale is trained with it.
            Assert.AreEqual("relu.quantized", BlockPartition.Find(quantized.Graph)[0].Output);
        }
    }

    [TestMethod]
    public void ADeepResidualNetworkHasABlockForEachOfItsOwn()
    {
        using var network = ResNet.ImageNet(50, 10, seed: 1, inputSize: 32);
        using var folded = FoldBatchNormalization.Apply(network);
        var names = new[] { 3, 4, 6, 3 }.SelectMany(
            (count, stage) => Enumerable.Range(0, count).Select(block => $"layer{stage + 1}.{block}."));
        var blocks = BlockPartition.Find(folded.Graph);
        Assert.HasCount(18, blocks);
        foreach (var (block, name) in blocks.Skip(1).Zip(names))
            StringAssert.StartsWith(block.Name, name);
        AssertCovered(folded.Graph);
    }

    [TestMethod]
    public void AChainIsItsLayers()
    {
        using var network = SmallNetworks.Build(
            builder => builder.Convolve(
                "y", builder.Node("MaxPool", "p",
                    [builder.Node("Relu", "r", [builder.Convolve("a", builder.Node("Relu", "before", ["x"]))])],
                    ("kernel_shape", new long[] { 2, 2 }))));
        AssertBlocks(network.Graph, "a y");
        var blocks = BlockPartition.Find(network.Graph);
        CollectionAssert.AreEqual(new[] { "x" }, blocks[0].Inputs.ToArray());
        Assert.AreEqual("p", blocks[0].Output);
    }

    [TestMethod]
    public void WhatASkipBridgesIsOneBlock()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var down = builder.Convolve("down", builder.Convolve("stem", "x"));
            var up = builder.Convolve("up", builder.Convolve("bottom", down));
            builder.Convolve("y", builder.Node("Concat", "skip", [up, down], ("axis", 1)), 4, 2);
        });
        AssertBlocks(network.Graph, "stem down bottom y");
        Assert.AreEqual("skip", BlockPartition.Find(network.Graph)[2].Output);
    }

    [TestMethod]
    public void BranchesThatAConcatenationClosesAreOneBlock()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var stem = builder.Convolve("stem", "x");
            builder.Node("Concat", "joined", [builder.Convolve("left", stem), builder.Convolve("right", stem), stem],
                ("axis", 1));
            builder.Convolve("y", "joined", 6, 2);
        });
        AssertBlocks(network.Graph, "stem left y");
    }

    [TestMethod]
    public void AShapeThatIsReadLaterIsComputedThere()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            builder.Node("Shape", "shape", ["x"]);
            builder.Node("Reshape", "r", [builder.Convolve("b", builder.Convolve("a", "x")), "shape"]);
            builder.Convolve("y", "r");
        });
        var blocks = BlockPartition.Find(network.Graph);
        Assert.AreEqual("a b y", string.Join(' ', blocks.Select(block => block.Name)));
        CollectionAssert.AreEqual(new[] { "a", "x" }, blocks[1].Inputs.ToArray());
        Assert.IsTrue(blocks[1].ReadsOnlyShape("x"));
        Assert.IsFalse(blocks[1].ReadsOnlyShape("a"));
        CollectionAssert.AreEqual(new[] { "Shape", "Conv", "Reshape" },
            blocks[1].Nodes.Select(node => node.Operator.Type).ToArray());
    }

    [TestMethod]
    public void LayersThatShareAWeightAreOneBlock()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            builder.Convolve("a", "x");
            builder.Node("Relu", "shared", ["a.weight"]);
            builder.Node("Conv", "b", ["a", "shared"], ("pads", new long[] { 1, 1, 1, 1 }));
            builder.Node("Conv", "c", ["b", "shared"], ("pads", new long[] { 1, 1, 1, 1 }));
            builder.Convolve("y", "c");
        });
        Assert.AreEqual("a b y", string.Join(' ', BlockPartition.Find(network.Graph).Select(block => block.Name)));
    }

    [TestMethod]
    public void WhatPassesByResidualBlocksGoesIntoTheHead()
    {
        // Two stages of a residual block each, and a head that reads both.
        using var network = SmallNetworks.Build(builder =>
        {
            var first = Residual(builder, "stage1", builder.Convolve("stem", "x"));
            var second = Residual(builder, "stage2", builder.Convolve("down", first));
            builder.Node("Concat", "joined", [builder.Convolve("left", first), builder.Convolve("right", second)],
                ("axis", 1));
            builder.Convolve("y", "joined", 4, 2);
        });
        AssertBlocks(network.Graph, "stem stage1.a down stage2.a left y");
        CollectionAssert.AreEquivalent(new[] { "stage1", "stage2" }, BlockPartition.Find(network.Graph)[4].Inputs.ToArray());

        using var scope = torch.NewDisposeScope();
        using var quantized = SmallNetworks.Quantize(
            network, SmallNetworks.Random(1, 4, 2, 8, 8), 4, 4, QuantizerPlacement.Integer);
        AssertBlocks(quantized.Graph, "stem stage1.a down stage2.a left y");

        static string Residual(NetworkBuilder builder, string name, string value) =>
            builder.Node("Add", name, [builder.Convolve(
                $"{name}.b", builder.Node("Relu", $"{name}.relu", [builder.Convolve($"{name}.a", value)])), value]);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AttentionAndWhatFollowsItAreOneBlock(bool isQuantized)
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var value = builder.Convolve("stem", "x");
            for (var b = 0; b < 2; b++)
            {
                var (query, key) = (builder.Convolve($"{b}.query", value), builder.Convolve($"{b}.key", value));
                var attention = builder.Convolve(
                    $"{b}.out", builder.Node("MatMul", $"{b}.product",
                        [builder.Node("Softmax", $"{b}.softmax", [query]), key]));
                value = builder.Node("Add", $"{b}.add1", [attention, value]);
                value = builder.Node("Add", $"{b}.add2",
                    [builder.Convolve($"{b}.second",
                        builder.Node("Gelu", $"{b}.gelu", [builder.Convolve($"{b}.first", value)])), value]);
            }
            builder.Convolve("y", value);
        });
        using var scope = torch.NewDisposeScope();
        using var quantized = SmallNetworks.Quantize(
            network, SmallNetworks.Random(1, 4, 2, 8, 8), 4, 4, QuantizerPlacement.Integer);
        AssertBlocks(isQuantized ? quantized.Graph : network.Graph, "stem 0.query 1.query y");
    }

    [TestMethod]
    public void AFurtherOutputDoesNotHoldTheRestTogether()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 8, 8);
        builder.Convolve("y", builder.Convolve("features", builder.Convolve("stem", "x")));
        using var network = builder.Build(
            new GraphValue("y", ElementType.Float32, []), new GraphValue("features", ElementType.Float32, []));
        AssertBlocks(network.Graph, "stem features y");
    }

    private static void AssertBlocks(Graph graph, string names)
    {
        Assert.AreEqual(names, string.Join(' ', BlockPartition.Find(graph).Select(block => block.Name)));
        AssertCovered(graph);
    }

    private static void AssertCovered(Graph graph)
    {
        var blocks = BlockPartition.Find(graph);
        Assert.IsTrue(blocks.SelectMany(block => block.Nodes).SequenceEqual(graph.Nodes),
            "Not every node is in exactly one block.");
        Assert.AreEqual(graph.Inputs[0].Name, blocks[0].Inputs.Single());
        Assert.AreEqual(graph.Outputs[0].Name, blocks[^1].Output);
        for (var b = 1; b < blocks.Length; b++)
            Assert.Contains(blocks[b - 1].Output, blocks[b].Inputs);
    }
}
