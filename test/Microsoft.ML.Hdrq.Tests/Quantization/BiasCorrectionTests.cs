using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class BiasCorrectionTests
{
    [TestMethod]
    [DataRow(QuantizerPlacement.Paper, false)]
    [DataRow(QuantizerPlacement.Integer, true)]
    public void EveryLayerGivesWhatItGaveOnAverage(QuantizerPlacement placement, bool perChannel)
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual(width: 8);
        var images = SmallNetworks.Random(1, 32, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 3, 3, placement, perChannel);
        var (exact, before) = (Means(network), Means(quantized));
        BiasCorrection.Apply(quantized, network, images);
        var after = Means(quantized);
        Assert.HasCount(8, exact);
        foreach (var (layer, mean) in exact)
        {
            Assert.IsGreaterThan(1e-4, mean.sub(before[layer]).abs().max().item<float>(), layer);
            Assert.AreEqual(0, mean.sub(after[layer]).abs().max().item<float>(), 1e-5, layer);
        }

        Dictionary<string, torch.Tensor> Means(Network watched)
        {
            var means = new Dictionary<string, torch.Tensor>();
            var flow = watched.Graph.Flow;
            var layers = watched.Graph.Nodes.Where(flow.IsWeighted).ToDictionary(node => node.Outputs[0], node => node.Name);
            watched.Run([images], new ComputeContext(ForwardMode.Inference, torch.CPU)
            {
                Watch = (name, value) =>
                {
                    if (layers.TryGetValue(name, out var layer))
                        means.Add(layer, (value.dim() == 4 ? value.mean([0, 2, 3]) : value.mean([0]))
                            .MoveToOtherDisposeScope(scope));
                },
            });
            return means;
        }
    }

    [TestMethod]
    public void ByHand()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Layer(0.26f, quantized: false);
        using var quantized = Layer(0.26f, quantized: true);
        // Weight 0.26 becomes 0.3 in steps of 0.1; the mean input is 2, so the mean output is 0.08 too high.
        BiasCorrection.Apply(quantized, network, torch.tensor(new[] { 1f, 3f }).reshape(2, 1, 1, 1));
        Assert.AreEqual(0.5f - 0.08f, quantized.Parameters["bias"].item<float>(), 1e-6f);
    }

    [TestMethod]
    public void ItIsOffUnlessAskedForAndLeavesNothingOver()
    {
        using var network = SmallNetworks.Residual();
        using var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        var options = SmallNetworks.Nearest with { WeightBits = 3, ActivationBits = 3 };
        using var plain = NetworkQuantizer.Quantize(network, images, options, seed: 1);
        using var corrected = NetworkQuantizer.Quantize(network, images, options with { CorrectBiases = true }, seed: 1);
        Assert.AreNotEqual(TensorData.FromTorch(plain.Parameters["conv1.bias"]),
            TensorData.FromTorch(corrected.Parameters["conv1.bias"]));
        Assert.AreEqual(TensorData.FromTorch(plain.Parameters["conv1.weight"]),
            TensorData.FromTorch(corrected.Parameters["conv1.weight"]));
        LiveTensors.AssertUnchanged(
            () => NetworkQuantizer.Quantize(network, images, options with { CorrectBiases = true }, seed: 1).Dispose());
    }

    private static Network Layer(float weight, bool quantized)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 1, 1, 1);
        var value = builder.Parameter("weight", torch.tensor(weight).reshape(1, 1, 1, 1));
        if (quantized)
        {
            builder.Node(new GraphNode("weight.quantized",
                Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(4, true))),
                [value, builder.Parameter("scale", torch.tensor(0.1f))], ["weight.quantized"]));
            value = "weight.quantized";
        }
        builder.Node("Conv", "y", ["x", value, builder.Parameter("bias", torch.tensor(new[] { 0.5f }))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, []));
    }
}
