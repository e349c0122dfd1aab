using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class NetworkMergerTests
{
    private static readonly MergeRounding[] _roundings =
        [MergeRounding.Nearest, MergeRounding.Balanced, MergeRounding.Sample(3), MergeRounding.BestOf(5, 3)];

    [TestMethod]
    public void Weights_and_scales_of_three_networks_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        // Integers 4, -3, 1, 0; 2, -3, 2, 0; 3, -3, 7 (beyond the range: 9), 1.
        using var a = Layer([0.4f, -0.3f, 0.1f, 0.04f], 0.1f, 1, 0.1f);
        using var b = Layer([0.2f, -0.3f, 0.2f, -0.04f], 0.1f, 2, 0.2f);
        using var c = Layer([0.6f, -0.6f, 1.8f, 0.2f], 0.2f, 4, 0.4f);
        using var merged = NetworkMerger.Merge(
            [a, b, c], new MergeOptions
            {
                NetworkWeights = [0.5, 0.25, 0.25],
                Method = MergeMethod.Mean(MergeRounding.Nearest)
            });
        // The scale: 0.05 + 0.025 + 0.05. The means: 0.2 + 0.05 + 0.15 = 0.4, -0.375, 0.05 + 0.05 + 0.35 = 0.45 and
        // 0.05, in steps 3.2, -3, 3.6 and 0.4.
        Assert.AreEqual(0.125f, merged.Values("weight.scale")[0], 1e-8f);
        CollectionAssert.AreEqual(new[] { 3, -3, 4, 0 },
            merged.Values("weight").Select(value => (int)MathF.Round(value / 0.125f)).ToArray());
        Assert.AreEqual(2f, merged.Values("bias")[0]);
        Assert.AreEqual(0.2f, merged.Values("input.scale")[0], 1e-8f);
        Assert.AreEqual(0.25f, merged.Values("shift")[0]);
    }

    [TestMethod]
    public void Every_channel_has_its_scale()
    {
        using var scope = torch.NewDisposeScope();
        using var a = MergeCase.Layer(
            torch.tensor([0.5f, 0.2f, 0.9f, -1.2f]).reshape(2, 2, 1, 1), torch.tensor([0.1f, 0.3f]));
        using var b = MergeCase.Layer(
            torch.tensor([0.9f, 0.6f, 0.5f, 0.5f]).reshape(2, 2, 1, 1), torch.tensor([0.3f, 0.1f]));
        using var merged = NetworkMerger.Merge(
            [a, b], new MergeOptions { Method = MergeMethod.Mean(MergeRounding.Nearest) });
        foreach (var scale in merged.Values("weight.scale"))
            Assert.AreEqual(0.2f, scale, 1e-7f);
        // Means 0.7, 0.4; 0.7, -0.35: in steps 3.5 (to even, or a hair to either side), 2, 3.5, -1.75.
        var steps = merged.Values("weight").Select(value => (int)MathF.Round(value / 0.2f)).ToArray();
        Assert.AreEqual(2, steps[1]);
        Assert.AreEqual(-2, steps[3]);
        CollectionAssert.Contains(new[] { 3, 4 }, steps[0]);
    }

    [TestMethod]
    public void Full_precision_networks_and_their_statistics_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        using var a = Normalized([1, 2], mean: [0, 1], variance: [1, 4]);
        using var b = Normalized([3, -2], mean: [4, 1], variance: [3, 2]);
        using var merged = NetworkMerger.Merge([a, b], new MergeOptions { NetworkWeights = [0.75, 0.25] });
        CollectionAssert.AreEqual(new[] { 1.5f, 1f }, merged.Values("weight"));
        CollectionAssert.AreEqual(new[] { 1f, 1f }, merged.Values("mean"));
        // 0.75 (1 + 0) + 0.25 (3 + 16) - 1 = 4.5; 0.75 (4 + 1) + 0.25 (2 + 1) - 1 = 3.5.
        CollectionAssert.AreEqual(new[] { 4.5f, 3.5f }, merged.Values("var"));
        CollectionAssert.AreEqual(new[] { -1L, long.MaxValue }, TorchIntegers(merged, "limits"));
    }

    /// <summary>The same where the mean is a constant, which all networks share.</summary>
    [TestMethod]
    public void MergesAVarianceWhoseMeanIsAConstant()
    {
        using var scope = torch.NewDisposeScope();
        using var a = ConstantMean(1, 3);
        using var b = ConstantMean(5, 4);
        using var merged = NetworkMerger.Merge([a, b]);
        CollectionAssert.AreEqual(new[] { 3, 3.5f }, merged.Parameters["variance"].data<float>().ToArray());

        static Network ConstantMean(params float[] variance)
        {
            using var builder = new NetworkBuilder();
            var input = builder.Input("x", -1, 2, 4, 4);
            builder.Node("BatchNormalization", "y",
            [
                input, builder.Parameter("scale", torch.ones(2)), builder.Parameter("bias", torch.zeros(2)),
                builder.Parameter("mean", torch.zeros(2), ParameterRole.Constant),
                builder.Parameter("variance", torch.tensor(variance), ParameterRole.Statistic),
            ]);
            return builder.Build(new GraphValue("y", ElementType.Float32, []));
        }
    }

    /// <summary>A normalization whose mean is computed has a variance, and no mixture.</summary>
    [TestMethod]
    public void A_variance_without_a_mean_is_averaged()
    {
        using var a = ComputedMean(1, 3);
        using var b = ComputedMean(5, 4);
        using var merged = NetworkMerger.Merge([a, b]);
        CollectionAssert.AreEqual(new[] { 3f, 3.5f }, merged.Parameters["variance"].data<float>().ToArray());

        static Network ComputedMean(params float[] variance)
        {
            using var builder = new NetworkBuilder();
            var x = builder.Input("x", -1, 2, 4, 4);
            var mean = builder.Node("ReduceMean", "mean", [x, builder.Constant("axes", 0, 2, 3)], ("keepdims", 0L));
            builder.Node("BatchNormalization", "y", [x, builder.Parameter("gamma", torch.ones(2)),
                builder.Parameter("beta", torch.zeros(2)), mean,
                builder.Parameter("variance", torch.tensor(variance), ParameterRole.Statistic)]);
            return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2, 4, 4]));
        }
    }

    [TestMethod]
    [DataRow(2, false)]
    [DataRow(3, false)]
    [DataRow(7, true)]
    public void A_network_merged_with_itself_is_itself(int count, bool perChannel)
    {
        using var network = MergeCase.Random(1, perChannel: perChannel);
        using var rounded = MergeCase.OnGrid(network);
        foreach (var rounding in _roundings)
        {
            using var merged = NetworkMerger.Merge(
                [.. Enumerable.Repeat(network, count)], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            MergeCase.AssertSame(rounded, merged);
        }
    }

    [TestMethod]
    public void Weights_of_nearly_one_are_made_one()
    {
        using var network = MergeCase.Random(1);
        using var rounded = MergeCase.OnGrid(network);
        using var merged = NetworkMerger.Merge(
            [network, network], new MergeOptions { NetworkWeights = [0.4999997, 0.5000008] });
        MergeCase.AssertSame(rounded, merged);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void The_order_of_networks_does_not_matter(bool perChannel)
    {
        Network[] networks = [MergeCase.Random(1, perChannel: perChannel), MergeCase.Random(2, perChannel: perChannel),
            MergeCase.Random(3, perChannel: perChannel)];
        foreach (var rounding in _roundings)
        {
            foreach (var weights in new double[]?[] { null, [0.2, 0.5, 0.3] })
            {
                using var forward = NetworkMerger.Merge(
                    networks, new MergeOptions { Method = MergeMethod.Mean(rounding), NetworkWeights = weights });
                using var backward = NetworkMerger.Merge(
                    [.. networks.Reverse()], new MergeOptions
                    {
                        Method = MergeMethod.Mean(rounding),
                        NetworkWeights = weights?.Reverse().ToArray()
                    });
                MergeCase.AssertSame(forward, backward);
            }
            using var pair = NetworkMerger.Merge(networks[..2], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            using var swapped = NetworkMerger.Merge(
                [networks[1], networks[0]], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            MergeCase.AssertSame(pair, swapped);
        }
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    [DataRow(2, false)]
    [DataRow(4, false)]
    [DataRow(4, true)]
    [DataRow(8, false)]
    public void Only_integers_and_scales_count(int bits, bool perChannel)
    {
        using var a = MergeCase.Random(1, bits, perChannel);
        using var b = MergeCase.Random(2, bits, perChannel);
        using var storedA = MergeCase.OnGrid(a);
        using var storedB = MergeCase.OnGrid(b);
        Assert.AreNotEqual(TensorData.FromTorch(a.Parameters["weight"]), TensorData.FromTorch(storedA.Parameters["weight"]));
        foreach (var rounding in _roundings)
        {
            using var inMemory = NetworkMerger.Merge([a, b], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            using var stored = NetworkMerger.Merge(
                [storedA, storedB], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            MergeCase.AssertSame(inMemory, stored);
        }
    }

    [TestMethod]
    [DataRow(2, false)]
    [DataRow(4, true)]
    [DataRow(8, false)]
    public void Saving_and_loading_before_merging_changes_nothing(int bits, bool perChannel)
    {
        using var directory = new TemporaryDirectory();
        using var a = MergeCase.Random(1, bits, perChannel);
        using var b = MergeCase.Random(2, bits, perChannel);
        a.SaveOnnx(directory.Combine("a.onnx"));
        b.SaveOnnx(directory.Combine("b.onnx"));
        using var loadedA = Network.LoadOnnx(directory.Combine("a.onnx"));
        using var loadedB = Network.LoadOnnx(directory.Combine("b.onnx"));
        foreach (var rounding in _roundings)
        {
            using var inMemory = NetworkMerger.Merge([a, b], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            using var loaded = NetworkMerger.Merge(
                [loadedA, loadedB], new MergeOptions { Method = MergeMethod.Mean(rounding) });
            MergeCase.AssertSame(inMemory, loaded);
        }
    }

    [TestMethod]
    public void A_merged_network_lies_on_its_grid_and_can_be_merged_again()
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2);
        using var c = MergeCase.Random(3);
        using var pair = NetworkMerger.Merge([a, b]);
        using var onGrid = MergeCase.OnGrid(pair);
        MergeCase.AssertSame(onGrid, pair);
        using var all = NetworkMerger.Merge([pair, c], new MergeOptions { NetworkWeights = [2.0 / 3, 1.0 / 3] });
        Assert.AreEqual((a.Values("bias")[3] + b.Values("bias")[3] + c.Values("bias")[3]) / 3, all.Values("bias")[3], 1e-6f);
    }

    [TestMethod]
    public void A_weight_of_zero_leaves_a_network_out()
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2);
        using var rounded = MergeCase.OnGrid(a);
        using var merged = NetworkMerger.Merge([a, b], new MergeOptions { NetworkWeights = [1, 0] });
        MergeCase.AssertSame(rounded, merged);
    }

    [TestMethod]
    public void The_networks_are_left_alone_and_no_tensor_leaks()
    {
        using var a = MergeCase.Random(1, perChannel: true);
        using var b = MergeCase.Random(2, perChannel: true);
        using var copy = a.Clone();
        LiveTensors.AssertUnchanged(() => NetworkMerger.Merge([a, b]).Dispose());
        MergeCase.AssertSame(copy, a);
        a.Parameters["bias"].fill_(float.NaN);
        LiveTensors.AssertUnchanged(() => Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([a, b])));
    }

    private static long[] TorchIntegers(Network network, string name) => network.Parameters[name].data<long>().ToArray();

    private static Network Layer(float[] weight, float scale, float bias, float inputScale) =>
        MergeCase.Layer(torch.tensor(weight).reshape(1, 4, 1, 1), torch.tensor(scale), [bias], inputScale);

    private static Network Normalized(float[] weight, float[] mean, float[] variance)
    {
        using var builder = new NetworkBuilder();
        var value = builder.Node("Mul", "scaled",
            [builder.Input("x", -1, 2), builder.Parameter("weight", torch.tensor(weight))]);
        value = builder.Node("BatchNormalization", "normalized",
            [value, builder.Parameter("gamma", torch.ones(2)), builder.Parameter("beta", torch.zeros(2)),
            builder.Parameter("mean", torch.tensor(mean), ParameterRole.Statistic),
            builder.Parameter("var", torch.tensor(variance), ParameterRole.Statistic)]);
        builder.Node("Reshape", "y", [value, builder.Constant("limits", -1, long.MaxValue)]);
        return builder.Build(new GraphValue("y", ElementType.Float32, []));
    }
}
