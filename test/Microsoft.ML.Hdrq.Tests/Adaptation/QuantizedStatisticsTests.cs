using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Adaptation;

/// <summary>Scales and biases of quantized and merged networks, brought to a site without touching an integer.</summary>
[TestClass]
public sealed class QuantizedStatisticsTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];
    }

    [TestMethod]
    public void Scales_and_biases_are_those_computed_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        using var network = OneLayer(perChannel: true);
        using var adapted = AdaptedByHand(network);
        // 2 x + 1 and -0.75 x: the outputs have the means 3 and -0.75 and the variances 8/3 and 3/8; those of the site
        // 25 and -9, 16 and 9/4. Both deviations are root 6 times as large.
        var factor = 1 / Math.Sqrt(6);
        AssertClose([0.5 * factor, 0.25 * factor], adapted.Parameters["scale"]);
        AssertClose([2 * factor, -0.75 * factor], adapted.Parameters["weight"]);
        AssertClose([(1 - 25) * factor + 3, 9 * factor - 0.75], adapted.Parameters["bias"]);
        AssertClose([1, 1], adapted.Parameters["head"]);
        CollectionAssert.AreEqual(new float[] { 4, -3 }, Integers(adapted).Single());
    }

    [TestMethod]
    public void Where_all_channels_have_one_scale_they_are_shifted_only()
    {
        using var scope = torch.NewDisposeScope();
        using var network = OneLayer(perChannel: false);
        using var adapted = AdaptedByHand(network);
        AssertClose([0.25], adapted.Parameters["scale"]);
        AssertClose([2, -0.75], adapted.Parameters["weight"]);
        AssertClose([1 - 25 + 3, 9 - 0.75], adapted.Parameters["bias"]);
        CollectionAssert.AreEqual(new float[] { 8, -3 }, Integers(adapted).Single());
    }

    [TestMethod]
    public void Quantizing_keeps_the_statistics_of_normalizations_and_merging_mixes_them()
    {
        using var scope = torch.NewDisposeScope();
        using var one = Normalized(1);
        using var other = Normalized(2);
        var images = torch.ones(2, 1, 4, 4);
        using var first = NetworkQuantizer.Quantize(one, images, new RoundToNearestOptions());
        using var second = NetworkQuantizer.Quantize(other, images, new RoundToNearestOptions());
        // The normalization has shift 0.5 k, scale 2 k, variance 4: its outputs have the mean 0.5 k and the variance
        // (2 k)^2 4 / (4 + 1e-5).
        AssertStatistics(0.5, 4, first);
        AssertStatistics(1, 16, second);
        using var merged = NetworkMerger.Merge([first, second], new MergeOptions
        {
            NetworkWeights = [0.25, 0.75],
            AllowDifferentSources = true,
        });
        // 0.25 * 0.5 + 0.75 * 1 and 0.25 (4 + 0.25) + 0.75 (16 + 1) - 0.875^2
        AssertStatistics(0.875, 13.046875, merged);
        using var folded = FoldBatchNormalization.Apply(one);
        using var without = NetworkQuantizer.Quantize(folded, images, new RoundToNearestOptions());
        using var mixed = NetworkMerger.Merge([first, without], new MergeOptions { AllowDifferentSources = true });
        Assert.IsFalse(OutputStatistics.AreIn(mixed.Metadata));

        static void AssertStatistics(double mean, double variance, Network network)
        {
            using var file = new MemoryStream();
            network.SaveOnnx(file);
            file.Position = 0;
            using var read = Network.LoadOnnx(file);
            var recorded = OutputStatistics.Read(read.Metadata, "layer.weight", 1)!.Value;
            Assert.AreEqual(mean, recorded.Mean[0], 1e-4);
            Assert.AreEqual(variance, recorded.Variance[0], 1e-3);
        }
    }

    [TestMethod]
    public void A_step_after_merging_changes_scales_and_biases_only()
    {
        using var source = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var data = Data(0.6f, 0.9f);
        LiveTensors.AssertUnchanged(() =>
        {
            using var model = _ml.Transforms.ApplyNetwork("Source", "Pixels", source)
                .Append(_ml.Transforms.QuantizeNetwork("A", "Source", new RoundToNearestOptions
                {
                    WeightBits = 4,
                    ActivationBits = 8,
                }))
                .Append(_ml.Transforms.QuantizeNetwork("B", "Source", new RoundToNearestOptions
                {
                    WeightBits = 4,
                    ActivationBits = 8,
                }, new() { MaxRows = 5, Seed = 2 }))
                .Append(_ml.Transforms.MergeNetworks("Merged", "A", "B"))
                .Append(_ml.Transforms.AdaptNetwork("Score", "Merged", new()
                {
                    Method = AdaptationMethod.Statistics,
                    KeepSourceIfWorse = false,
                }, new() { Seed = 1 }))
                .Fit(data);
            var networks = model.OfType<NetworkTransformer>().ToDictionary(step => step.OutputColumnName);
            var (merged, adapted) = (networks["Merged"].Network, networks["Score"].Network);
            using var scope = torch.NewDisposeScope();
            Assert.IsNull(adapted.Graph.FirstDifference(merged.Graph));
            foreach (var (before, after) in Integers(merged).Zip(Integers(adapted)))
                CollectionAssert.AreEqual(before, after);
            var layers = merged.Graph.Layers;
            var moved = layers.All.Where(layer => layer != layers.Last)
                .SelectMany(layer => new[] { layer.Weight, layer.Bias!, layer.WeightQuantizer!.Scale })
                .ToHashSet();
            foreach (var name in merged.Parameters.Keys)
            {
                Assert.AreEqual(
                    moved.Contains(name),
                    !merged.Parameters[name].equal(adapted.Parameters[name]).all().item<bool>(), name);
            }
            Assert.IsTrue(IntegerNetwork.IsComplete(adapted));
            Assert.IsFalse(InputGrams.AreIn(adapted.Metadata));
            Assert.AreEqual(AdaptationMethod.Statistics, AdaptationReport.Of(adapted)!.Method);
            AssertScoresOfOnnxRuntime(adapted);
        });
    }

    [TestMethod]
    public void A_quantized_network_without_statistics_is_refused()
    {
        using var unfolded = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        using var folded = FoldBatchNormalization.Apply(unfolded);
        using var images = torch.ones(2, 3, 8, 8);
        using var quantized = NetworkQuantizer.Quantize(folded, images, new RoundToNearestOptions());
        var data = Data(0.5f, 1);
        using var applied = _ml.Transforms.ApplyNetwork("Source", "Pixels", quantized).Fit(data);
        var scored = applied.Transform(data);
        Assert.Contains("RecordStatistics", Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", new() { Method = AdaptationMethod.Statistics })
                .Fit(scored)).Message);
        // What is measured on a quantized network counts as well.
        using var recorded = _ml.Transforms.RecordStatistics("Recorded", "Source").Fit(scored);
        var (site, method) = (Data(0.2f, 0.5f), AdaptationMethod.Statistics);
        using var again = _ml.Transforms.ApplyNetwork("Source", "Pixels", recorded.Network).Fit(site);
        using var adapted = _ml.Transforms
            .AdaptNetwork("Score", "Source", new() { Method = method, KeepSourceIfWorse = false })
            .Fit(again.Transform(site));
        Assert.AreNotEqual(quantized.ParametersSha256(), adapted.Network.ParametersSha256());
    }

    private static void AssertScoresOfOnnxRuntime(Network network)
    {
        var random = new Random(4);
        var rows = Enumerable.Range(0, 8)
            .Select(_ => Enumerable.Range(0, 192).Select(_ => random.NextSingle()).ToArray()).ToList();
        var expected = OnnxRuntimeScores.Of(network, rows, 3, 8, 8).SelectMany(scores => scores).ToArray();
        var actual = network.Forward(torch.tensor(rows.SelectMany(row => row).ToArray()).reshape(8, 3, 8, 8))
            .data<float>().ToArray();
        // Where a sum is all but half-way between two integers, one step of the scores lies between them.
        var range = expected.Max() - expected.Min();
        Assert.IsGreaterThan(0, range);
        Assert.IsLessThan(0.01 * range, expected.Zip(actual, (one, other) => Math.Abs(one - other)).Average());
    }

    private static Network AdaptedByHand(Network network)
    {
        OutputStatistics.Collect(network, torch.tensor(new float[] { 0, 1, 2 }).reshape(3, 1, 1, 1), 2, default);
        return Statistics.Adapt(
            network, torch.tensor(new float[] { 10, 14 }).reshape(2, 1, 1, 1), 1, 2, 1, default);
    }

    /// <summary>The integers of all weights.</summary>
    private static IEnumerable<float[]> Integers(Network network) =>
        from layer in network.Graph.Layers.All
        let quantizer = layer.WeightQuantizer
        where quantizer is not null
        select quantizer!.Operator
            .Integers(network.Parameters[layer.Weight], network.Parameters[quantizer!.Scale])
            .data<float>().ToArray();

    /// <summary>2 x + 1 and -0.75 x, with weights that are integers, and a head.</summary>
    private static Network OneLayer(bool perChannel)
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 1, 1, 1);
        builder.Parameter("weight", torch.tensor(new[] { 2, -0.75f }).reshape(2, 1, 1, 1));
        builder.Parameter("scale", perChannel ? torch.tensor(new[] { 0.5f, 0.25f }) : torch.tensor(0.25f));
        builder.Parameter("bias", torch.tensor(new float[] { 1, 0 }));
        builder.Parameter("head", torch.ones(1, 2, 1, 1));
        (string, object)[] range = [("minimum", -128L), ("maximum", 127L)];
        builder.Node("FakeQuantize", "rounded", ["weight", "scale"],
            (perChannel ? [.. range, ("axis", 0L)] : range).AsSpan());
        builder.Node("Conv", "layer", ["input", "rounded", "bias"], ("kernel_shape", new long[] { 1, 1 }));
        builder.Node("Conv", "scores", ["layer", "head"], ("kernel_shape", new long[] { 1, 1 }));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 1, 1, 1]));
    }

    /// <summary>A convolution, a normalization with shift 0.5 k, scale 2 k and variance 4, and a head.</summary>
    private static Network Normalized(int k)
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 1, 4, 4);
        builder.Parameter("layer.weight", torch.ones(1, 1, 1, 1));
        builder.Parameter("norm.scale", torch.tensor(new[] { 2f * k }));
        builder.Parameter("norm.shift", torch.tensor(new[] { 0.5f * k }));
        builder.Parameter("norm.mean", torch.tensor(new[] { 7f }), ParameterRole.Statistic);
        builder.Parameter("norm.variance", torch.tensor(new[] { 4f }), ParameterRole.Statistic);
        builder.Parameter("head.weight", torch.ones(2, 1, 1, 1));
        builder.Node("Conv", "layer", ["input", "layer.weight"], ("kernel_shape", new long[] { 1, 1 }));
        builder.Node(
            "BatchNormalization", "norm", ["layer", "norm.scale", "norm.shift", "norm.mean", "norm.variance"]);
        builder.Node("Conv", "head", ["norm", "head.weight"], ("kernel_shape", new long[] { 1, 1 }));
        builder.Node("GlobalAveragePool", "pool", ["head"]);
        builder.Node("Flatten", "scores", ["pool"]);
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2]));
    }

    private static void AssertClose(double[] expected, torch.Tensor actual)
    {
        foreach (var (one, other) in expected.Zip(actual.reshape(-1).data<float>().ToArray()))
            Assert.AreEqual(one, other, 1e-4);
    }

    private IDataView Data(float shift, float factor)
    {
        var random = new Random(5);
        return _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(_ => new Row
        {
            Pixels = [.. Enumerable.Range(0, 192).Select(_ => shift + factor * ((float)random.NextDouble() - 0.5f))],
        }).ToArray());
    }
}
