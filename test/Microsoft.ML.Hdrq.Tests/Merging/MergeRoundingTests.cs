using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class MergeRoundingTests
{
    public static IEnumerable<object[]> Shares =>
    [
        [new[] { 0.5, 0.5 }], [new[] { 1 / 3.0, 1 / 3.0, 1 / 3.0 }], [new[] { 0.3, 0.7 }], [new[] { 0.2, 0.5, 0.3 }],
        [new[] { 0.25, 0.25, 0.25, 0.25 }],
    ];

    [TestMethod]
    [DynamicData(nameof(Shares))]
    public void A_weight_is_ambiguous_when_the_mean_of_its_integers_is_none(double[] lambdas)
    {
        var weight = MergeCase.Integers(1, lambdas);
        Assert.IsTrue(weight.IsAmbiguous.Contains(true) && weight.IsAmbiguous.Contains(false));
        for (var i = 0; i < weight.Count; i++)
        {
            // In whole sixtieths, where the mean is exact.
            var sixtieths = lambdas.Select((lambda, d) => (decimal)Math.Round(lambda * 60) * weight.Integers[d][i]).Sum();
            Assert.AreEqual(sixtieths % 60 != 0, weight.IsAmbiguous[i]);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Shares))]
    public void Every_strategy_takes_one_of_the_two_integers_around_the_mean(double[] lambdas)
    {
        foreach (var bits in new[] { 2, 4, 8 })
        {
            var weight = MergeCase.Integers(bits, lambdas, bits, drift: 2);
            foreach (var rounding in new[] { MergeRounding.Nearest, MergeRounding.Sample(1), MergeRounding.BestOf(3, 1),
                MergeRounding.Balanced })
            {
                var rounded = rounding.Round(weight, 0);
                for (var i = 0; i < rounded.Length; i++)
                {
                    Assert.IsLessThan(1, Math.Abs(rounded[i] - weight.Means[i]));
                    Assert.IsTrue(weight.IsAmbiguous[i] || rounded[i] == weight.Round(weight.Means[i]));
                    Assert.IsInRange(weight.Range.Minimum, weight.Range.Maximum, rounded[i]);
                }
            }
        }
    }

    /// <summary>
    /// The default, by what it is for: no further from the mean than the paper's best of 100, and no channel's sum as
    /// far off. Two networks shared out evenly have the same squared error whichever weights are chosen, up to the last
    /// few: hence a thousandth.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Shares))]
    public void Balanced_is_as_close_to_the_mean_as_the_best_of_a_hundred(double[] lambdas)
    {
        for (var seed = 0; seed < 6; seed++)
        {
            var weight = MergeCase.Integers(
                seed, lambdas, bits: seed % 2 == 0 ? 4 : 3, channels: 8, inputs: 8 + (8 * (seed % 3)),
                drift: 0.3 + (0.2 * seed));
            var balanced = MergeRounding.Balanced.Round(weight, 0);
            var best = MergeRounding.BestOf(100, seed).Round(weight, 0);
            Assert.IsLessThanOrEqualTo(1.001 * SquaredError(weight, best), SquaredError(weight, balanced),
                $"squared error, seed {seed}");
            Assert.IsLessThanOrEqualTo(Math.Max(1, WorstChannel(weight, best) / 2), WorstChannel(weight, balanced),
                $"worst channel, seed {seed}");
            CollectionAssert.AreEqual(balanced, MergeRounding.Balanced.Round(weight, 0));
        }
    }

    /// <summary>Two networks: nearest leans towards the one with the larger scale, the default to neither.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void Balanced_leans_to_neither_of_two_networks(int seed)
    {
        var weight = MergeCase.Integers(seed, [0.5, 0.5]);
        Assert.IsGreaterThan(100, Leaning(weight, MergeRounding.Nearest.Round(weight, 0)));
        Assert.IsLessThan(10, Leaning(weight, MergeRounding.Balanced.Round(weight, 0)));
    }

    [TestMethod]
    public void Nearest_gives_all_ambiguous_weights_to_the_larger_scale_and_balanced_shares_them()
    {
        // Ambiguous everywhere: one network has 1 where the other has 0.
        var random = new Random(5);
        var first = Enumerable.Range(0, 256).Select(_ => random.Next(2)).ToArray();
        var weight = new MergedWeight(
            [first, [.. first.Select(value => 1 - value)]], [[0.11], [0.1]], [0.105], [0.5, 0.5],
            new QuantizationRange(4, true), 1);
        CollectionAssert.AreEqual(first, MergeRounding.Nearest.Round(weight, 0));
        var shared = MergeRounding.Balanced.Round(weight, 0).Zip(first, (a, b) => a == b).Count(same => same);
        Assert.IsInRange(112, 144, shared);
    }

    [TestMethod]
    public void Seeds_are_kept_and_matter()
    {
        var weight = MergeCase.Integers(1, [0.5, 0.5]);
        CollectionAssert.AreEqual(MergeRounding.BestOf(3, 7).Round(weight, 2), MergeRounding.BestOf(3, 7).Round(weight, 2));
        CollectionAssert.AreNotEqual(MergeRounding.Sample(7).Round(weight, 2), MergeRounding.Sample(8).Round(weight, 2));
        CollectionAssert.AreNotEqual(MergeRounding.Sample(7).Round(weight, 2), MergeRounding.Sample(7).Round(weight, 3));
        CollectionAssert.AreEqual(MergeRounding.Sample(7).Round(weight, 2), MergeRounding.BestOf(1, 7).Round(weight, 2));
    }

    [TestMethod]
    public void The_best_of_many_draws_lies_more_between_the_networks_than_one()
    {
        var weight = MergeCase.Integers(4, [0.5, 0.5], channels: 4, inputs: 4);
        double Score(int count) => SampledMergeRounding.Cosines(weight, MergeRounding.BestOf(count, 1).Round(weight, 0))
            .Min();
        Assert.IsGreaterThan(Score(1), Score(100));
        Assert.IsGreaterThanOrEqualTo(Score(10), Score(100));
    }

    /// <summary>The squared distance to the mean, in steps.</summary>
    private static double SquaredError(MergedWeight weight, int[] rounded) =>
        rounded.Select((q, i) => (q - weight.Means[i]) * (q - weight.Means[i])).Sum();

    private static double WorstChannel(MergedWeight weight, int[] rounded) =>
        rounded.Select((q, i) => q - weight.Means[i]).Chunk(weight.Count / weight.Channels)
            .Max(channel => Math.Abs(channel.Sum()));

    /// <summary>How far the rounding errors lean towards one network, the worst of all.</summary>
    private static double Leaning(MergedWeight weight, int[] rounded) =>
        Enumerable.Range(0, weight.Integers.Length)
            .Max(d => Math.Abs(rounded.Select((q, i) => (q - weight.Means[i]) * (weight.Value(d, i) - weight.Means[i]))
            .Sum()));
}
