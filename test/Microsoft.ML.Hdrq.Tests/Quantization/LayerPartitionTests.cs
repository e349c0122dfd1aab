using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class LayerPartitionTests
{
    [TestMethod]
    [DataRow(QuantizerPlacement.Paper)]
    [DataRow(QuantizerPlacement.Integer)]
    public void EveryLayerIsTrainedOnceAndEveryScaleThatFeedsOne(QuantizerPlacement placement)
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using var quantized = SmallNetworks.Quantize(network, SmallNetworks.Random(1, 4, 3, 8, 8), 4, 4, placement);
        var flow = quantized.Graph.Flow;
        var layers = BlockPartition.Find(quantized.Graph, quantizersFirst: true)
            .SelectMany(block => LayerPartition.Find(quantized.Graph, block)).ToList();

        CollectionAssert.AreEqual(quantized.Graph.Nodes.Where(flow.IsWeighted).Select(node => node.Name).ToArray(),
            layers.Select(layer => layer.Name).ToArray());
        foreach (var layer in layers)
            Assert.AreEqual(layer.Name, layer.Nodes.Single(flow.IsWeighted).Name);
        var feeding = quantized.Graph.Nodes.Where(
            node => flow.IsWeighted(node) && flow.Definer(node.Inputs[0]) is { Operator: FakeQuantize })
            .Select(node => node.Inputs[0]).ToHashSet();
        var trained = layers.SelectMany(layer => layer.Nodes)
            .Where(node => node.Operator is FakeQuantize && flow.IsData(node.Outputs[0])).Select(node => node.Outputs[0])
            .ToList();
        // A scale is trained with the first layer that reads it, and never again.
        Assert.AreEqual(trained.Count, trained.Distinct().Count());
        Assert.IsTrue(feeding.SetEquals(trained));
    }

    [TestMethod]
    public void ALayerHasItsActivationAndEndsBeforeAnAddition()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Build(builder =>
        {
            var stem = builder.Node("Relu", "r", [builder.Convolve("stem", "x")]);
            var inner = builder.Node("Relu", "inner", [builder.Convolve("a", stem)]);
            builder.Node("Add", "y", [builder.Convolve("b", inner), stem]);
        });
        using var quantized = SmallNetworks.Quantize(network, SmallNetworks.Random(1, 4, 2, 8, 8), 4, 4);
        var layers = BlockPartition.Find(quantized.Graph, quantizersFirst: true)
            .SelectMany(block => LayerPartition.Find(quantized.Graph, block)).ToList();
        Assert.AreEqual("stem>r a>inner b>b", string.Join(' ', layers.Select(layer => $"{layer.Name}>{layer.Output}")));
        CollectionAssert.AreEqual(new[] { "x", "r", "inner" }, layers.Select(layer => layer.Inputs[0]).ToArray());
    }

    [TestMethod]
    public void WhatComesBeforeALayerComputesItsInput()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 4, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        var values = new Dictionary<string, torch.Tensor>();
        quantized.Run([images], new ComputeContext(
            ForwardMode.Inference, torch.CPU)
        {
            Watch = (name, value) =>
                values[name] = value.clone().MoveToOtherDisposeScope(scope)
        });
        values.TryAdd(quantized.Graph.Inputs[0].Name, images);
        foreach (var block in BlockPartition.Find(quantized.Graph, quantizersFirst: true))
        {
            foreach (var layer in LayerPartition.Find(quantized.Graph, block))
            {
                var before = LayerPartition.UpTo(quantized.Graph, block, layer.Inputs[0]);
                if (before.Nodes.IsEmpty)
                    continue;
                using var part = Subgraph.Extract(
                    quantized, before.Nodes, before.Inputs, before.Output, (_, tensor) => tensor.detach().clone());
                Assert.IsTrue(part.Forward(values[before.Inputs[0]]).allclose(values[layer.Inputs[0]]), layer.Name);
            }
        }
    }
}
