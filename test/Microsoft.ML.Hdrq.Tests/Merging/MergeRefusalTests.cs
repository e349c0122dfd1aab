using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>What cannot be merged is refused with a message that says why.</summary>
[TestClass]
public sealed class MergeRefusalTests
{
    [TestMethod]
    public void Fewer_than_two_networks()
    {
        using var network = MergeCase.Random(1);
        Refuses("there are 1", [network]);
        Refuses("there are 0", []);
        Refuses("Network 1 is null", [network, null!]);
        Assert.ThrowsExactly<ArgumentNullException>(() => NetworkMerger.Merge(null!));
    }

    [TestMethod]
    [DataRow(new[] { 1.0 }, "There are 1 weights for 2 networks")]
    [DataRow(new[] { 0.5, 0.25, 0.25 }, "There are 3 weights for 2 networks")]
    [DataRow(new[] { 1.5, -0.5 }, "1.5, -0.5")]
    [DataRow(new[] { double.NaN, 0.5 }, "NaN")]
    [DataRow(new[] { 0.5, 0.5001 }, "instead of 1")]
    [DataRow(new[] { double.PositiveInfinity, 0.5 }, "instead of 1")]
    public void Weights_that_are_none(double[] weights, string message)
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2);
        Refuses(message, [a, b], new MergeOptions { NetworkWeights = weights });
    }

    [TestMethod]
    public void Draws_below_one() => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeRounding.BestOf(0));

    [TestMethod]
    public void Other_bit_widths()
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2, bits: 3);
        var message = Refuses("Networks 0 and 2", [a, a, b]);
        StringAssert.Contains(message, "weight.quantized");
        StringAssert.Contains(message, "maximum=7");
        StringAssert.Contains(message, "maximum=3");
    }

    [TestMethod]
    public void Other_ranges_of_as_many_bits()
    {
        using var network = ResNet.Cifar(8, 10, seed: 1, width: 2, inputSize: 8);
        var images = torch.rand([2, 3, 8, 8], generator: new torch.Generator(1));
        using var reduced = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions());
        using var full = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions { ReduceRange = false });
        var message = Refuses("Networks 0 and 1", [full, reduced]);
        StringAssert.Contains(message, "maximum=127");
        StringAssert.Contains(message, "maximum=64");
        StringAssert.Contains(message, "the integers -64 to 64 in network 1 only; quantize both with the same");
        StringAssert.Contains(Refuses("cannot be merged", [reduced, full]), "-64 to 64 in network 0 only");
    }

    [TestMethod]
    public void Other_bits()
    {
        using var network = ResNet.Cifar(8, 10, seed: 1, width: 2, inputSize: 8);
        var images = torch.rand([2, 3, 8, 8], generator: new torch.Generator(1));
        using var eight = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions());
        using var four = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4 });
        StringAssert.Contains(
            Refuses("their graphs differ", [eight, four]),
            "Most weights and activations have 8 and 8 bits in network 0, and 4 and 4 in network 1; quantize all to the same bits");
    }

    [TestMethod]
    public void Other_shapes()
    {
        using var a = ResNet.Cifar(8, 10, seed: 1, width: 2, inputSize: 8);
        using var b = ResNet.Cifar(8, 12, seed: 1, width: 2, inputSize: 8);
        var message = Refuses("their graphs differ", [a, b]);
        StringAssert.Contains(message, "[10, 8]");
        StringAssert.Contains(message, "[12, 8]");
    }

    [TestMethod]
    public void Scales_per_channel_and_for_all()
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(1, perChannel: true);
        Refuses("weight.scale", [a, b]);
    }

    [TestMethod]
    public void Other_constants()
    {
        using var scope = torch.NewDisposeScope();
        using var a = MergeCase.Layer(torch.ones(1, 1, 1, 1), torch.tensor(0.1f), shift: 0.25f);
        using var b = MergeCase.Layer(torch.ones(1, 1, 1, 1), torch.tensor(0.1f), shift: 0.5f);
        Refuses("'shift'", [a, b]);
    }

    [TestMethod]
    [DataRow("weight", float.NaN)]
    [DataRow("bias", float.PositiveInfinity)]
    [DataRow("weight.scale", float.NaN)]
    [DataRow("weight.scale", -0.1f)]
    [DataRow("weight.scale", 0f)]
    [DataRow("input.scale", float.NegativeInfinity)]
    [DataRow("input.scale", 0f)]
    public void Numbers_that_are_none(string parameter, float value)
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2);
        b.Parameters[parameter].fill_(value);
        var message = Refuses($"'{parameter}'", [a, b]);
        StringAssert.Contains(message, "network 1");
    }

    [TestMethod]
    public void A_weight_of_two_quantizers()
    {
        using var network = TwoQuantizers(4, 8);
        var exception = Assert.ThrowsExactly<NotSupportedException>(() => NetworkMerger.Merge([network, network]));
        StringAssert.Contains(exception.Message, "'weight'");
        using var alike = TwoQuantizers(4, 4);
        NetworkMerger.Merge([alike, alike]).Dispose();
    }

    private static Network TwoQuantizers(params int[] bits)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Parameter("weight", torch.ones(2, 2));
        builder.Parameter("scale", torch.tensor(0.5f));
        var value = "x";
        foreach (var (i, width) in bits.Index())
        {
            builder.Node(new GraphNode($"q{i}",
                Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(width, true))),
                ["weight", "scale"], [$"q{i}"]));
            value = builder.Node("MatMul", $"y{i}", [value, $"q{i}"]);
        }
        return builder.Build(new GraphValue(value, ElementType.Float32, []));
    }

    private static string Refuses(string message, Network[] networks, MergeOptions? options = null)
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge(networks, options));
        StringAssert.Contains(exception.Message, message);
        return exception.Message;
    }
}
