using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.PublicApi.Tests;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>Losses between networks, and the barrier.</summary>
[TestClass]
public sealed class InterpolationTests
{
    [TestMethod]
    public void The_barrier_between_two_minima_is_that_of_the_formula()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Product(2, 2);
        using var second = AnalyticNetworks.Product(-2, -2);
        var report = Measure([first, second], AnalyticNetworks.Rows(new float[,] { { 1 }, { 1 } }), steps: 4);

        // Along the line a b = 4 (1 - 2t)^2, and the loss is log(1 + exp(-2 a b)).
        double[] expected = [.. new[] { 0, 0.25, 0.5, 0.75, 1 }.Select(
            t => Math.Log(1 + Math.Exp(-8 * (1 - 2 * t) * (1 - 2 * t))))];
        Assert.HasCount(5, report.Points);
        for (var i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], report.Points[i].Loss, 1e-6);
        Assert.AreEqual(Math.Log(2) - Math.Log(1 + Math.Exp(-8)), report.Barrier, 1e-6);
        Assert.AreEqual(0.5, report.BarrierPoint.Weights[0]);
        // At (0, 0) both scores are 0, and the first class is chosen, which is the right one.
        Assert.AreEqual(0, report.AccuracyBarrier);
    }

    [TestMethod]
    public void A_convex_loss_has_no_barrier()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Linear(SmallNetworks.Random(1, 3, 4));
        using var second = AnalyticNetworks.Linear(SmallNetworks.Random(2, 3, 4));
        var images = SmallNetworks.Random(3, 50, 4);
        var report = Measure([first, second], new Evaluation(images, images.argmax(1).remainder(3), 16), steps: 8);
        Assert.AreEqual(0, report.Barrier, 1e-6);
        Assert.IsLessThan(0, report.Points[4].Loss - (report.Points[0].Loss + report.Points[8].Loss) / 2);
    }

    [TestMethod]
    public void Three_networks_have_a_triangle()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Product(2, 2);
        using var second = AnalyticNetworks.Product(-2, -2);
        using var third = AnalyticNetworks.Product(2, 2);
        var report = Measure([first, second, third], AnalyticNetworks.Rows(new float[,] { { 1 } }), steps: 4);
        Assert.HasCount(15, report.Points);
        Assert.HasCount(15, report.Points.Select(point => string.Join(' ', point.Weights)).Distinct().ToList());
        foreach (var point in report.Points)
        {
            Assert.AreEqual(1, point.Weights.Sum(), 1e-12);
            var a = 2 * (1 - 2 * point.Weights[1]);
            Assert.AreEqual(Math.Log(1 + Math.Exp(-2 * a * a)), point.Loss, 1e-6);
        }
        Assert.AreEqual(Math.Log(2) - Math.Log(1 + Math.Exp(-8)), report.Barrier, 1e-6);
    }

    [TestMethod]
    public void Mixtures_of_quantized_networks_are_what_merging_makes()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var first = SmallNetworks.Quantize(network, images, 4, 4);
        using var second = first.Clone();
        foreach (var definition in second.Graph.Parameters.Where(
            definition => definition.Name.EndsWith("weight", StringComparison.Ordinal)))
            second.Parameters[definition.Name].mul_(0.7);
        var evaluation = new Evaluation(images, torch.arange(8).remainder(5), 3);
        var report = Measure([first, second], evaluation, steps: 2);

        using var merged = NetworkMerger.Merge([first, second]);
        Assert.AreEqual(evaluation.Measure(merged, null, null, default).Loss, report.Points[1].Loss);
        // In batches or at once is the same.
        var scores = torch.nn.functional.cross_entropy(first.Forward(images), evaluation.Labels).item<float>();
        Assert.AreEqual(scores, report.Points[0].Loss, 1e-5);
        Assert.AreEqual(0, Measure([first, first], evaluation, steps: 3).Barrier, 1e-6);
    }

    [TestMethod]
    public void Mixtures_are_merged_by_the_method()
    {
        using var scope = torch.NewDisposeScope();
        using var first = AnalyticNetworks.Product(2, 2);
        using var second = AnalyticNetworks.Product(-1, -1);
        var report = Interpolation.Measure(
            [("a", first), ("b", second)], AnalyticNetworks.Rows(new float[,] { { 1 } }), 4, new LeastNormMergeMethod(),
            null, default);
        // Between the networks it is the smaller one, of product 1; the ends are the networks themselves.
        Assert.AreEqual(Math.Log(1 + Math.Exp(-8)), report.Points[0].Loss, 1e-6);
        foreach (var point in report.Points.Skip(1))
            Assert.AreEqual(Math.Log(1 + Math.Exp(-2)), point.Loss, 1e-6);
    }

    [TestMethod]
    public void What_has_no_label_does_not_count()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Linear(torch.eye(2));
        var evaluation = new Evaluation(
            torch.tensor(new float[,] { { 3, 0 }, { 0, 5 }, { 0, 1 } }),
            torch.tensor(new long[] { 0, Evaluation.Ignored, 0 }), 2);
        var (loss, accuracy) = evaluation.Measure(network, null, null, default);
        Assert.AreEqual((Math.Log(1 + Math.Exp(-3)) + Math.Log(1 + Math.Exp(1))) / 2, loss, 1e-6);
        Assert.AreEqual(0.5, accuracy);
    }

    [TestMethod]
    public void Nothing_is_left_in_memory_and_cancelling_ends_it()
    {
        using var first = AnalyticNetworks.Product(2, 2);
        using var second = AnalyticNetworks.Product(-2, -2);
        var evaluation = AnalyticNetworks.Rows(new float[,] { { 1 } });
        var reported = new List<AnalysisProgress>();
        LiveTensors.AssertUnchanged(
            () => Interpolation.Measure(
                [("a", first), ("b", second)], evaluation, 3, MergeMethod.Mean(), new Progress(reported.Add), default));
        CollectionAssert.AreEqual(Enumerable.Range(1, 4).Select(done => new AnalysisProgress(done, 4)).ToList(), reported);
        LiveTensors.AssertUnchanged(() => Assert.ThrowsExactly<OperationCanceledException>(() =>
            Interpolation.Measure([("a", first), ("b", second)], evaluation, 3, MergeMethod.Mean(), null,
                new CancellationToken(true))));
        evaluation.Images.Dispose();
        evaluation.Labels.Dispose();
    }

    private static InterpolationReport Measure(Network[] networks, Evaluation evaluation, int steps) =>
        Interpolation.Measure([.. networks.Select((network, n) => ($"network {n}", network))], evaluation, steps,
            MergeMethod.Mean(), null, default);
}

/// <summary>Reports on the thread that computes.</summary>
internal sealed class Progress(Action<AnalysisProgress> report) : IProgress<AnalysisProgress>
{
    public void Report(AnalysisProgress value) => report(value);
}
