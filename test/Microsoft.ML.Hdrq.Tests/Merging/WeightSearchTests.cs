using Microsoft.ML.Hdrq.Merging;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class WeightSearchTests
{
    [TestMethod]
    [DataRow(0.5, 0.3, 0.2)]
    [DataRow(1.0, 0.0, 0.0)]
    [DataRow(0.0, 0.15, 0.85)]
    public void A_convex_bowl_is_found_to_the_resolution(double a, double b, double c)
    {
        double[] goal = [a, b, c];
        var seen = new List<MergeWeightProgress>();
        var found = WeightSearch.Minimize(
            [1.0 / 3, 1.0 / 3, 1.0 / 3], weights => weights.Zip(goal, (x, y) => (x - y) * (x - y)).Sum(), 0.02,
            new Report<MergeWeightProgress>(seen.Add), default);
        Assert.AreEqual(1, found.Sum(), 1e-9);
        for (var i = 0; i < 3; i++)
            Assert.AreEqual(goal[i], found[i], 0.03);
        // No weights are measured twice, none is negative, all sum to 1.
        Assert.AreEqual(seen.Count,
            seen.Select(step => string.Join(' ', step.Weights.Select(weight => weight.ToString("0.000000")))).Distinct()
            .Count());
        Assert.IsTrue(seen.TrueForAll(
            step => step.Weights.All(weight => weight >= 0) && Math.Abs(step.Weights.Sum() - 1) < 1e-9));
        CollectionAssert.AreEqual(Enumerable.Range(1, seen.Count).ToArray(), seen.Select(step => step.Count).ToArray());
    }

    [TestMethod]
    public void Where_nothing_is_better_the_weights_stay()
    {
        CollectionAssert.AreEqual(new[] { 0.4, 0.6 }, WeightSearch.Minimize([0.4, 0.6], _ => 1, 0.05, null, default));
    }

    [TestMethod]
    public void It_can_be_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var count = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => WeightSearch.Minimize([0.5, 0.5], weights =>
        {
            if (++count == 2)
                cancellation.Cancel();
            return weights[0];
        }, 0.05, null, cancellation.Token));
        Assert.AreEqual(2, count);
    }
}
