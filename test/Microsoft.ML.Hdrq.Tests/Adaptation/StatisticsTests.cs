using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Adaptation;

/// <summary>Statistics that are brought to a site, of normalizations and of layers that these are folded into.</summary>
[TestClass]
public sealed class StatisticsTests
{
    /// <summary>Four images of two channels: means 4 and 2, variances 5 and 4.</summary>
    private static torch.Tensor Images() =>
        torch.tensor(new float[] { 1, 0, 3, 0, 5, 4, 7, 4 }).reshape(4, 2, 1, 1);

    [TestMethod]
    [DataRow(1, 4, 2, 5, 4)]
    [DataRow(0.5, 2, 1, 3, 2.5)]
    [DataRow(0.25, 1, 0.5, 2, 1.75)]
    public void Statistics_of_the_site_are_mixed_with_the_sources(
        double share, double firstMean, double secondMean, double firstVariance, double secondVariance)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Normalizations(1);
        foreach (var batchSize in new[] { 1, 3, 4 })
        {
            using var adapted = Statistics.Adapt(network, Images(), share, batchSize, 1, default);
            AssertClose([(float)firstMean, (float)secondMean], adapted.Parameters["mean0"]);
            AssertClose([(float)firstVariance, (float)secondVariance], adapted.Parameters["variance0"]);
        }
        AssertClose([0, 0], network.Parameters["mean0"]);
    }

    [TestMethod]
    public void A_normalization_sees_what_those_before_it_give_with_their_new_statistics()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Normalizations(2);
        using var adapted = Statistics.Adapt(network, Images(), 0.5, 4, 1, default);
        // Mean 2 and variance 3 before: (x - 2) / root 3 has the mean 1.1547 and the variance 5/3, half of which stay.
        Assert.AreEqual(0.57735, adapted.Parameters["mean1"][0].item<float>(), 1e-4);
        Assert.AreEqual((5 / 3.0 + 1) / 2, adapted.Parameters["variance1"][0].item<float>(), 1e-4);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(0.7)]
    public void A_folded_network_with_recorded_statistics_becomes_what_the_unfolded_one_does(double share)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(3);
        var sourceImages = torch.randn([64, 3, 8, 8], generator: generator);
        var siteImages = torch.randn([64, 3, 8, 8], generator: generator).mul(0.4).add(0.7);
        using var random = ResNet.Cifar(8, 5, seed: 1, width: 4, inputSize: 8);
        // Its statistics are those of the source's images, as training leaves them.
        using var network = Statistics.Adapt(random, sourceImages, 1, 64, 1, default);
        using var folded = FoldBatchNormalization.Apply(network);
        Assert.IsFalse(Statistics.AreIn(folded));
        OutputStatistics.Collect(folded, sourceImages, 64, default);
        Assert.IsTrue(Statistics.AreIn(folded));

        using var expected = Statistics.Adapt(network, siteImages, share, 64, 1, default);
        using var file = new MemoryStream();
        folded.SaveOnnx(file);
        file.Position = 0;
        using var read = Network.LoadOnnx(file);
        using var adapted = Statistics.Adapt(read, siteImages, share, 64, 1, default);
        var (scores, others) = (expected.Forward(siteImages), adapted.Forward(siteImages));
        Assert.IsLessThan(2e-3 * scores.abs().max().item<float>(), scores.sub(others).abs().max().item<float>());
        // It did something.
        Assert.IsGreaterThan(
            0.1 * scores.abs().max().item<float>(), folded.Forward(siteImages).sub(others).abs().max().item<float>());
    }

    [TestMethod]
    public void A_layers_scale_and_shift_are_those_computed_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 1, 1, 1);
        builder.Parameter("weight", torch.tensor(new float[] { 2 }).reshape(1, 1, 1, 1));
        builder.Parameter("bias", torch.tensor(new float[] { 1 }));
        builder.Parameter("head", torch.tensor(new float[] { 1 }).reshape(1, 1, 1, 1));
        builder.Node("Conv", "layer", ["input", "weight", "bias"], ("kernel_shape", new long[] { 1, 1 }));
        builder.Node("Conv", "scores", ["layer", "head"], ("kernel_shape", new long[] { 1, 1 }));
        using var network = builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 1, 1, 1]));
        // 2 x + 1: the outputs 1, 3, 5 have the mean 3 and the variance 8/3; those of the site, 21 and 29, 25 and 16.
        OutputStatistics.Collect(network, torch.tensor(new float[] { 0, 1, 2 }).reshape(3, 1, 1, 1), 2, default);
        var site = torch.tensor(new float[] { 10, 14 }).reshape(2, 1, 1, 1);
        using var adapted = Statistics.Adapt(network, site, 1, 2, 1, default);
        // (y - 25) root (8/3 / 16) + 3
        var factor = Math.Sqrt(8 / 3.0 / 16);
        Assert.AreEqual(2 * factor, adapted.Parameters["weight"].item<float>(), 1e-5);
        Assert.AreEqual((1 - 25) * factor + 3, adapted.Parameters["bias"].item<float>(), 1e-4);
        Assert.AreEqual(1, adapted.Parameters["head"].item<float>());
        // Half of each: mean 14 and variance 28/3.
        using var mixed = Statistics.Adapt(network, site, 0.5, 2, 1, default);
        Assert.AreEqual(2 * Math.Sqrt(2 / 7.0), mixed.Parameters["weight"].item<float>(), 1e-5);
    }

    [TestMethod]
    public void Statistics_that_are_none_are_not_used()
    {
        using var scope = torch.NewDisposeScope();
        using var random = ResNet.Cifar(8, 5, seed: 1, width: 4, inputSize: 8);
        using var folded = FoldBatchNormalization.Apply(random);
        OutputStatistics.Collect(folded, torch.ones(2, 3, 8, 8), 2, default);
        var names = folded.Metadata.Keys.Where(key => key.StartsWith(NetworkMetadata.LayerStatistics)).ToList();
        Assert.IsNotEmpty(names);
        // No number is made of bytes of 255.
        var notNumbers = Convert.ToBase64String(Enumerable.Repeat((byte)255, 32).ToArray());
        foreach (var text in new[] { "", "AAAA", "?", notNumbers })
        {
            folded.Metadata = folded.Metadata.SetItems(names.Select(name => KeyValuePair.Create(name, text)));
            Assert.IsFalse(Statistics.AreIn(folded), text);
        }
        // What is not there stays as it is.
        using var adapted = Statistics.Adapt(folded, torch.ones(2, 3, 8, 8), 1, 2, 1, default);
        Assert.AreEqual(folded.ParametersSha256(), adapted.ParametersSha256());
    }

    /// <summary>Batch normalizations one after the other, with the statistics 0 and 1.</summary>
    private static Network Normalizations(int count)
    {
        using var builder = new NetworkBuilder();
        var value = builder.Input("input", -1, 2, 1, 1);
        for (var i = 0; i < count; i++)
        {
            value = builder.Node("BatchNormalization", $"normalized{i}",
            [
                value,
                builder.Parameter($"scale{i}", torch.ones(2)), builder.Parameter($"shift{i}", torch.zeros(2)),
                builder.Parameter($"mean{i}", torch.zeros(2), ParameterRole.Statistic),
                builder.Parameter($"variance{i}", torch.ones(2), ParameterRole.Statistic),
            ]);
        }
        return builder.Build(new GraphValue(value, ElementType.Float32, [-1, 2, 1, 1]));
    }

    private static void AssertClose(float[] expected, torch.Tensor actual)
    {
        foreach (var (one, other) in expected.Zip(actual.data<float>().ToArray()))
            Assert.AreEqual(one, other, 1e-5f);
    }
}
