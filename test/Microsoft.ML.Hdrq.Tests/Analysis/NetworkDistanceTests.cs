using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>Distances between networks.</summary>
[TestClass]
public sealed class NetworkDistanceTests
{
    [TestMethod]
    public void Distances_are_norms_of_differences()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Product(2, 3);
        using var second = AnalyticNetworks.Product(5, -1);
        var report = NetworkDistance.Measure(first, second);
        CollectionAssert.AreEqual(new[] { "hidden", "y" }, report.Layers.Select(layer => layer.Layer).ToList());
        Assert.AreEqual(3, report.Layers[0].Distance, 1e-6);
        Assert.AreEqual(3 / 5.0, report.Layers[0].Relative, 1e-6);
        Assert.AreEqual(Math.Sqrt(32), report.Layers[1].Distance, 1e-6);
        Assert.AreEqual(Math.Sqrt(9 + 32), report.Distance, 1e-6);
        Assert.AreEqual(Math.Sqrt(41 / 27.0), report.Relative, 1e-6);
    }

    [TestMethod]
    public void Quantized_weights_count_on_their_grid_and_normalizations_as_folded()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        using var folded = FoldBatchNormalization.Apply(network);
        Assert.AreEqual(0, NetworkDistance.Measure(folded, network).Distance, 1e-5);
        using var quantized = SmallNetworks.Quantize(folded, SmallNetworks.Random(1, 4, 3, 8, 8), 4, 4);
        // A weight of 4 bits is rounded by half a step at most, and each of the two layers by some.
        foreach (var layer in NetworkDistance.Measure(quantized, network).Layers)
            Assert.IsTrue(layer.Relative is > 1e-4 and < 0.2, $"{layer}");
    }

    [TestMethod]
    public void Networks_of_other_layers_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Product(1, 1);
        using var second = AnalyticNetworks.Linear(torch.eye(1));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkDistance.Measure(first, second)).Message, "2 layers");
        using var third = AnalyticNetworks.Linear(torch.eye(2));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkDistance.Measure(second, third)).Message, "[1, 1]");
    }

    [TestMethod]
    public void Nothing_is_left_in_memory()
    {
        using var network = TestNetworks.Classifier();
        LiveTensors.AssertUnchanged(() => NetworkDistance.Measure(network, network));
    }
}
