using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Bits that follow from a size or a loss of accuracy.</summary>
[TestClass]
public sealed class MixedPrecisionTests
{
    private static readonly HdrqOptions _options = new() { ActivationBits = 4, Training = new() { Iterations = 0 } };
    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    [DataRow(3.0)]
    [DataRow(4.5)]
    [DataRow(7.9)]
    public void A_size_is_kept_and_all_sites_of_a_source_choose_the_same(double averageBits)
    {
        using var source = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        using var other = Moved(source);
        var size = Size(source, averageBits);
        using var first = Quantize(source, source, _options with { BitBudget = new() { TargetSize = size } }, seed: 1);
        using var second = Quantize(other, source, _options with { BitBudget = new() { TargetSize = size } }, seed: 2);
        Assert.IsNull(first.Network.Graph.FirstDifference(second.Network.Graph));
        var used = first.Network.Graph.Layers.All.Sum(layer => layer.WeightBits!.Value * layer.Count(first.Network));
        Assert.IsLessThanOrEqualTo(8 * size, used);
        Assert.IsGreaterThan(8 * size * 0.9, used);
        // The first and the last layer keep their 8 bits.
        Assert.AreEqual(8, first.Network.Graph.Layers.All[0].WeightBits);
        Assert.AreEqual(8, first.Network.Graph.Layers.All[^1].WeightBits);
    }

    [TestMethod]
    public void Bits_are_handed_on_to_another_site_also_in_a_file()
    {
        using var source = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        using var other = Moved(source);
        using var first = Quantize(source, null,
            _options with { BitBudget = new() { TargetSize = Size(source, 3.7), Basis = BitAllocationBasis.Images } },
            seed: 1);
        Assert.IsGreaterThan(2, first.Network.Graph.Layers.All.Select(layer => layer.WeightBits).Distinct().Count());
        using var file = new MemoryStream();
        first.Network.SaveOnnx(file);
        file.Position = 0;
        using var read = Network.LoadOnnx(file);
        foreach (var given in new[] { first.Network, read })
        {
            using var second = Quantize(other, null, _options with { Overrides = LayerOverride.Of(given) }, seed: 2);
            Assert.IsNull(first.Network.Graph.FirstDifference(second.Network.Graph));
        }
    }

    [TestMethod]
    public void Exceptions_of_the_user_stay()
    {
        using var source = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        var names = source.Graph.Layers.All.Select(layer => layer.Name).ToList();
        LayerOverride[] exceptions =
            [new(LayerOverride.Exactly(names[1])) { WeightBits = 7 },
            new(LayerOverride.Exactly(names[2])) { ActivationBits = 6 },
            new(LayerOverride.Exactly(names[3])) { Skip = true }];
        using var quantized = Quantize(
            source, source, _options with
            {
                BitBudget = new() { TargetSize = Size(source, 4) },
                Overrides = exceptions
            }, seed: 1);
        var layers = quantized.Network.Graph.Layers.All;
        Assert.AreEqual(7, layers[1].WeightBits);
        Assert.AreEqual(6, layers[2].ActivationBits);
        Assert.IsNull(layers[3].WeightBits);
        Assert.IsTrue(LayerOverride.Of(quantized.Network)[3].Skip);
    }

    [TestMethod]
    public void Accuracy_falls_by_no_more_than_is_allowed()
    {
        using var source = Undecided();
        var sizes = new List<long>();
        foreach (var drop in new[] { 1, 0.5, 0.1 })
        {
            using var quantized = Quantize(
                source, null, _options with { ActivationBits = 8, BitBudget = new() { MaxAccuracyDrop = drop } },
                seed: 1);
            using var scope = torch.NewDisposeScope();
            var images = torch.tensor(Images.Rows(24).SelectMany(row => row.Pixels).ToArray()).reshape(24, 3, 8, 8);
            var changed = quantized.Network.Forward(images).argmax(1).ne(source.Forward(images).argmax(1))
                .to(torch.float32).mean().item<float>();
            Assert.IsLessThanOrEqualTo(drop, changed);
            sizes.Add(quantized.Network.Graph.Layers.All.Sum(
                layer => layer.WeightBits!.Value * layer.Count(quantized.Network)));
        }
        // Everything is allowed with the fewest bits.
        Assert.IsTrue(sizes[0] <= sizes[1] && sizes[1] <= sizes[2] && sizes[0] < sizes[2], string.Join(", ", sizes));
    }

    [TestMethod]
    public void A_size_that_is_too_small_says_how_much_it_takes()
    {
        using var source = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        var message = Assert.ThrowsExactly<ArgumentException>(
            () => Quantize(source, source, _options with { BitBudget = new() { TargetSize = 10 } }, seed: 1)).Message;
        StringAssert.Contains(message, "TargetSize is 10 bytes");
    }

    [TestMethod]
    [DataRow("TargetSize")]
    [DataRow("MaxAccuracyDrop")]
    [DataRow("Basis")]
    [DataRow("both")]
    [DataRow("neither")]
    public void An_option_that_is_out_of_range_is_named(string option)
    {
        BitBudget budget = option switch
        {
            "TargetSize" => new() { TargetSize = 0 },
            "MaxAccuracyDrop" => new() { MaxAccuracyDrop = 1.5 },
            "Basis" => new() { TargetSize = 1000, Basis = (BitAllocationBasis)5 },
            "neither" => new(),
            _ => new() { TargetSize = 1000, MaxAccuracyDrop = 0.1 },
        };
        var expected = option switch { "both" => "MaxAccuracyDrop", "neither" => "TargetSize", _ => option };
        Assert.AreEqual($"BitBudget.{expected}",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.QuantizeHdrq("Score", "Source", new() { BitBudget = budget })).ParamName);
    }

    [TestMethod]
    public void Nothing_is_left_in_memory()
    {
        using var source = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        LiveTensors.AssertUnchanged(
            () => Quantize(source, source,
                _options with { BitBudget = new() { TargetSize = Size(source, 4), Basis = BitAllocationBasis.Images } },
                seed: 1).Dispose());
        LiveTensors.AssertUnchanged(
            () => Quantize(source, source, _options with { BitBudget = new() { MaxAccuracyDrop = 0.9 } }, seed: 1)
            .Dispose());
    }

    private NetworkTransformer Quantize(Network network, Network? source, HdrqOptions options, int seed)
    {
        var data = Images.View(_ml, Images.Rows(24, seed));
        using var model = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        return _ml.Transforms.QuantizeHdrq("Score", "Source", options with { Source = source }, new() { Seed = seed })
            .Fit(model.Transform(data));
    }

    /// <summary>A network that gives random images one class or another.</summary>
    private static Network Undecided()
    {
        using var scope = torch.NewDisposeScope();
        var network = ResNet.Cifar(8, TestNetworks.Classes, seed: 1, width: 4, inputSize: 8);
        var scores = network.Forward(
            torch.tensor(Images.Rows(24).SelectMany(row => row.Pixels).ToArray()).reshape(24, 3, 8, 8));
        network.Parameters[network.Graph.Layers.All[^1].Node.Inputs[2]].sub_(scores.mean([0]));
        return network;
    }

    private static Network Moved(Network network)
    {
        var moved = network.Clone();
        foreach (var definition in moved.Graph.Parameters.Where(definition => definition.Role == ParameterRole.Weight))
            moved.Parameters[definition.Name].mul_(1.1);
        return moved;
    }

    private static long Size(Network network, double averageBits)
    {
        using var folded = FoldBatchNormalization.Apply(network);
        return (long)(folded.Graph.Layers.All.Sum(layer => layer.Count(folded)) * averageBits / 8);
    }
}
