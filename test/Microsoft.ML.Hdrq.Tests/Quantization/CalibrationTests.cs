using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class CalibrationTests
{
    [TestMethod]
    public void EveryOutputChannelHasTheScaleOfItsOwnWeights()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 1, 1);
        builder.Node("Conv", "a", ["x", builder.Parameter("conv", Channels(0, 3, 2, 1, 1))]);
        builder.Node("Conv", "b", ["a", builder.Parameter("second", Channels(0, 3, 3, 1, 1))]);
        builder.Node("ConvTranspose", "c", ["b", builder.Parameter("transposed", Channels(1, 3, 4, 1, 1))]);
        builder.Node("Slice", "d", [
            "c", builder.Constant("starts", 0), builder.Constant("ends", 3), builder.Constant("axes", 1)]);
        builder.Node("Flatten", "e", ["d"]);
        builder.Node("Gemm", "f", ["e", builder.Parameter("plain", Channels(0, 5, 3))], ("transB", 1));
        builder.Node("MatMul", "g", ["f", builder.Parameter("product", Channels(1, 5, 2))]);
        builder.Node("Gemm", "y", ["g", builder.Parameter("last", Channels(1, 2, 3))]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        var options = new CalibrationOptions { Observer = RangeObserverKind.MinMax };
        using var quantized = Calibration.Apply(
            network, QuantizerSites.Find(network, QuantizerPlacement.Paper, 8, 8, [], reduceRange: false),
            [torch.ones(2, 2, 1, 1)], options, perChannel: true, CancellationToken.None);
        var expected = new Dictionary<string, (int Axis, int Channels)>
        {
            ["conv"] = (0, 3),
            ["second"] = (0, 3),
            ["transposed"] = (1, 4),
            ["plain"] = (0, 5),
            ["product"] = (1, 2),
            ["last"] = (1, 3)
        };
        foreach (var (name, (axis, channels)) in expected)
        {
            var node = quantized.Graph.Nodes.Single(candidate => candidate.Inputs[0] == name);
            Assert.AreEqual(axis, (int)((FakeQuantize)node.Operator).Axis!.Value, name);
            Golden.AssertClose(Enumerable.Range(1, channels).Select(largest => largest / 127.5f).ToArray(),
                quantized.Parameters[node.Inputs[1]], name);
        }

        // The greatest absolute value of channel c is c + 1.
        static torch.Tensor Channels(int axis, params long[] shape) =>
            torch.arange(1, shape[axis] + 1, torch.ScalarType.Float32).neg()
                .reshape([.. shape.Select((size, d) => d == axis ? size : 1)]).expand(shape).contiguous();
    }

    /// <summary>
    /// A channel that is 1.2 times the source's has the source's scale; one that the source does not have, or has 3
    /// times as large, keeps its own.
    /// </summary>
    [TestMethod]
    public void ScalesOfWeightsAreTheSourcesWhereTheNetworkIsNearIt()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Layer(1.2f, 1, 1, -0.6f);
        using var source = Layer(1, 0, 3, -1);
        var options = new CalibrationOptions { Observer = RangeObserverKind.MinMax };
        var sites = QuantizerSites.Find(network, QuantizerPlacement.Paper, 8, 8, [], reduceRange: false);
        using var own = Calibration.Apply(
            network, sites, [torch.ones(1, 1, 1, 1)], options, perChannel: true, CancellationToken.None);
        using var common = Calibration.Apply(
            network, sites, [torch.ones(1, 1, 1, 1)], options, perChannel: true, CancellationToken.None,
            source.Parameters);
        Golden.AssertClose([1.2f / 127.5f, 1 / 127.5f, 1 / 127.5f, 0.6f / 127.5f], own.Parameters["w.scale"]);
        Golden.AssertClose([1 / 127.5f, 1 / 127.5f, 1 / 127.5f, 1 / 127.5f], common.Parameters["w.scale"]);
        Golden.AssertClose([1.2f, 1, 1, -0.6f], common.Parameters["w"]);

        static Network Layer(params float[] weights)
        {
            using var builder = new NetworkBuilder();
            builder.Input("x", -1, 1, 1, 1);
            builder.Node("Conv", "y", ["x", builder.Parameter("w", torch.tensor(weights).reshape(-1, 1, 1, 1))]);
            return builder.Build(new GraphValue("y", ElementType.Float32, []));
        }
    }

    [TestMethod]
    public void GroupsOfATransposedConvolutionShareTheScales()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 4, 2, 2);
        // [in, out / group, height, width]: 2 groups of 3 outputs.
        var weight = torch.arange(24, torch.ScalarType.Float32).reshape(4, 3, 1, 2);
        builder.Node("ConvTranspose", "y", ["x", builder.Parameter("w", weight)], ("group", 2));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        var options = new CalibrationOptions { Observer = RangeObserverKind.MinMax };
        using var quantized = Calibration.Apply(
            network, QuantizerSites.Find(network, QuantizerPlacement.Paper, 8, 8, [], reduceRange: false),
            [torch.ones(1, 4, 2, 2)], options, perChannel: true, CancellationToken.None);
        Golden.AssertClose([19 / 127.5f, 21 / 127.5f, 23 / 127.5f], quantized.Parameters["w.scale"]);
        CollectionAssert.AreEqual(new long[] { 1, 6, 2, 3 }, quantized.Forward(torch.ones(1, 4, 2, 2)).shape);
    }

    [TestMethod]
    public void TheSignOfTheInputIsDecidedFromAllImages()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Build(builder => builder.Convolve("y", "x"));
        var sites = QuantizerSites.Find(network, QuantizerPlacement.Integer, 4, 4, [], reduceRange: true);
        var (positive, negative) = (torch.ones(1, 2, 8, 8), torch.ones(1, 2, 8, 8).neg());
        foreach (var (batches, isSigned) in new[] { ([positive], false),
            (new[] { positive, positive, positive, negative }, true) })
        {
            using var quantized = Calibration.Apply(
                network, sites, batches, new CalibrationOptions { BatchSize = 32 }, perChannel: false,
                CancellationToken.None);
            var quantizer = (FakeQuantize)quantized.Graph.Nodes.Single(node => node.Inputs[0] == "x").Operator;
            Assert.AreEqual(isSigned, quantizer.Range.IsSigned);
        }
    }

    [TestMethod]
    public void QuantizedScoresKeepTheirName()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 4, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 8, 8, QuantizerPlacement.Integer);
        Assert.AreEqual(network.Graph.Outputs.Single(), quantized.Graph.Outputs.Single());
        var last = quantized.Graph.Nodes[^1];
        Assert.IsInstanceOfType<FakeQuantize>(last.Operator);
        Assert.AreEqual("scores", last.Outputs[0]);
        var steps = quantized.Forward(images).div(quantized.Parameters[last.Inputs[1]]);
        Assert.IsLessThan(1e-3f, steps.sub(steps.round()).abs().max().item<float>());
        Assert.IsLessThan(0.1f, quantized.Forward(images).sub(network.Forward(images)).abs().max()
            .item<float>() / network.Forward(images).abs().max().item<float>());
    }
}
