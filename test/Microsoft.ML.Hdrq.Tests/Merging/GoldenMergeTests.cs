using System.Text.Json;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>
/// Against what the paper's public code prints (Golden/merge.json). Two of its rules are not ours: its mask of
/// ambiguous weights is right at lambda 1/2 only, and it keeps its first candidate unless both cosines grow; so noise
/// and scores are compared at lambda 1/2, and of the scores the largest least one is expected.
/// </summary>
[TestClass]
public sealed class GoldenMergeTests
{
    private static readonly JsonElement _cases = GoldenFile.Read("merge.json").GetProperty("cases");

    public static IEnumerable<object[]> All =>
        Enumerable.Range(0, _cases.GetArrayLength()).Select(index => new object[] { index });

    public static IEnumerable<object[]> Halves =>
        All.Where(row => _cases[(int)row[0]].GetProperty("lamb").GetDouble() == 0.5);

    [TestMethod]
    [DynamicData(nameof(All))]
    public void Means_and_nearest_integers(int index)
    {
        var golden = _cases[index];
        var weight = Weight(golden);
        var latent = golden.GetProperty("no_noise").GetProperty("latent").Numbers();
        for (var i = 0; i < latent.Length; i++)
            Assert.AreEqual(latent[i], weight.Means[i] * weight.MergedScale(i), 1e-6);
        CollectionAssert.AreEqual(Integers(golden.GetProperty("no_noise")), MergeRounding.Nearest.Round(weight, 0));
    }

    [TestMethod]
    [DynamicData(nameof(All))]
    public void Scales_biases_and_activation_scales(int index)
    {
        using var scope = torch.NewDisposeScope();
        var golden = _cases[index];
        var lambda = golden.GetProperty("lamb").GetDouble();
        var expected = golden.GetProperty("merged");
        using var a = Layer(golden, "a");
        using var b = Layer(golden, "b");
        using var merged = NetworkMerger.Merge(
            [a, b], new MergeOptions
            {
                NetworkWeights = [lambda, 1 - lambda],
                Method = MergeMethod.Mean(MergeRounding.Nearest)
            });
        Assert.AreEqual(expected.GetProperty("scale").GetSingle(), merged.Values("weight.scale")[0], 1e-8f);
        Assert.AreEqual(expected.GetProperty("act_scale").GetSingle(), merged.Values("input.scale")[0], 1e-8f);
        var bias = merged.Values("bias");
        foreach (var (i, value) in expected.GetProperty("bias").Numbers().Index())
            Assert.AreEqual(value, bias[i], 1e-7f);
        var integers = Integers(golden.GetProperty("no_noise"));
        var weight = merged.Values("weight");
        for (var i = 0; i < integers.Length; i++)
            Assert.AreEqual(integers[i] * merged.Values("weight.scale")[0], weight[i]);
    }

    [TestMethod]
    [DynamicData(nameof(Halves))]
    public void Ambiguous_weights_are_those_of_odd_sum(int index)
    {
        var golden = _cases[index];
        var weight = Weight(golden);
        CollectionAssert.AreEqual(golden.GetProperty("mask_integer_parity").Numbers().Select(value => value == 1)
            .ToArray(), weight.IsAmbiguous);
    }

    [TestMethod]
    [DynamicData(nameof(Halves))]
    public void Integers_of_given_noise(int index)
    {
        var golden = _cases[index];
        var given = golden.GetProperty("given_noise");
        CollectionAssert.AreEqual(Integers(given),
            Candidates(golden, Weight(golden))[given.GetProperty("candidate").GetInt32()]);
    }

    [TestMethod]
    [DynamicData(nameof(Halves))]
    public void Scores_of_candidates(int index)
    {
        var golden = _cases[index];
        var weight = Weight(golden);
        var candidates = Candidates(golden, weight);
        var expected = golden.GetProperty("best_of_4").GetProperty("abs_cosines").EnumerateArray()
            .Select(pair => pair.Numbers()).ToArray();
        for (var c = 0; c < candidates.Length; c++)
        {
            var cosines = SampledMergeRounding.Cosines(weight, candidates[c]);
            Assert.AreEqual(expected[c][0], cosines[0], 2e-6);
            Assert.AreEqual(expected[c][1], cosines[1], 2e-6);
        }
        var best = expected.Max(pair => pair.Min());
        var chosen = SampledMergeRounding.Best(weight, candidates);
        Assert.AreEqual(best, expected[Array.IndexOf(candidates, chosen)].Min(), 2e-6f);
    }

    private static MergedWeight Weight(JsonElement golden)
    {
        var lambda = golden.GetProperty("lamb").GetDouble();
        double[] scales = [golden.GetProperty("a").GetProperty("scale").GetSingle(),
            golden.GetProperty("b").GetProperty("scale").GetSingle()];
        var shape = golden.GetProperty("shape").Numbers();
        return new MergedWeight([Integers(golden.GetProperty("a")), Integers(golden.GetProperty("b"))],
            [[scales[0]], [scales[1]]], [(lambda * scales[0]) + ((1 - lambda) * scales[1])],
            [lambda, 1 - lambda], new QuantizationRange(golden.GetProperty("bit").GetInt32(), true), (int)shape[0]);
    }

    private static int[][] Candidates(JsonElement golden, MergedWeight weight) =>
    [
        .. golden.GetProperty("candidates_u").EnumerateArray().Select(candidate =>
        {
            float[][] uniform = [candidate.GetProperty("a").Numbers(), candidate.GetProperty("b").Numbers()];
            return SampledMergeRounding.Draw(weight, at => uniform[at.Network][at.Element]);
        }),
    ];

    private static Network Layer(JsonElement golden, string name)
    {
        var layer = golden.GetProperty(name);
        var scale = layer.GetProperty("scale").GetSingle();
        var shape = golden.GetProperty("shape").Numbers().Select(size => (long)size).ToArray();
        return MergeCase.Layer(torch.tensor(layer.GetProperty("q").Numbers()).mul(scale).reshape(shape),
            torch.tensor(scale), layer.GetProperty("bias").Numbers(),
            layer.GetProperty("act_scale").GetSingle(), golden.GetProperty("bit").GetInt32());
    }

    private static int[] Integers(JsonElement tensor) =>
        [.. tensor.GetProperty("q").EnumerateArray().Select(value => value.GetInt32())];
}
