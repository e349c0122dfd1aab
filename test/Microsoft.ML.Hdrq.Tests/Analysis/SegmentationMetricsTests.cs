using Microsoft.ML.Hdrq.Analysis;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

[TestClass]
public sealed class SegmentationMetricsTests
{
    [TestMethod]
    public void Metrics_are_those_worked_out_by_hand()
    {
        // Truth and prediction of 10 pixels; class 3 is nowhere, class 2 is in the predictions only.
        var builder = new SegmentationMetricsBuilder(["sky", "road", "tree", "car"]);
        builder.Add([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 2, 255]);
        var metrics = builder.Build();

        // Class 0: 3 hits of 4, nothing else predicted: 3/4. Class 1: 4 hits of 6, one more predicted: 4/7. Class 2:
        // predicted once, never true: 0.
        AssertAll([3 / 4.0, 4 / 7.0, 0, double.NaN], metrics.PerClassIntersectionOverUnion);
        AssertAll([3 / 4.0, 4 / 6.0, double.NaN, double.NaN], metrics.PerClassAccuracy);
        Assert.AreEqual((3 / 4.0 + 4 / 7.0 + 0) / 3, metrics.MeanIntersectionOverUnion, 1e-15);
        Assert.AreEqual((3 / 4.0 + 4 / 6.0) / 2, metrics.MeanClassAccuracy, 1e-15);
        Assert.AreEqual(7 / 10.0, metrics.PixelAccuracy, 1e-15);
        Assert.AreEqual((4 * 3 / 4.0 + 6 * 4 / 7.0) / 10, metrics.FrequencyWeightedIntersectionOverUnion, 1e-15);
        Assert.AreEqual(10, metrics.PixelCount);
        CollectionAssert.AreEqual(new long[] { 3, 1, 0, 0 }, metrics.ConfusionCounts[0].ToArray());
        CollectionAssert.AreEqual(new long[] { 0, 4, 1, 0 }, metrics.ConfusionCounts[1].ToArray());
        CollectionAssert.AreEqual(new long[] { 0, 1, 0, 0 }, metrics.UnpredictedCounts.ToArray());
        Assert.AreEqual(
            """
            class       IoU %  accuracy %  pixels
            sky         75.00       75.00       4
            road        57.14       66.67       6
            tree         0.00           -       0
            car             -           -       0
            mean        44.05       70.83
            all pixels  64.29       70.00      10

            """, metrics.GetFormattedTable().ReplaceLineEndings("\n"));
    }

    [TestMethod]
    public void Ignored_pixels_are_not_counted()
    {
        var builder = new SegmentationMetricsBuilder(["a", "b"], ignoredLabel: 9);
        builder.Add([9, 0, 1, 9], [0, 0, 1, 255]);
        Assert.AreEqual(2, builder.Build().PixelCount);
        Assert.AreEqual(1, builder.Build().MeanIntersectionOverUnion);
    }

    [TestMethod]
    public void Without_pixels_there_are_no_numbers()
    {
        var metrics = new SegmentationMetricsBuilder(["a", "b"]).Build();
        foreach (var value in new[] { metrics.MeanIntersectionOverUnion, metrics.MeanClassAccuracy,
            metrics.PixelAccuracy, metrics.FrequencyWeightedIntersectionOverUnion })
            Assert.IsTrue(double.IsNaN(value));
        Assert.IsEmpty(new SegmentationMetricsBuilder().Build().ClassNames);
    }

    [TestMethod]
    public void Counts_are_those_of_an_independent_count()
    {
        var random = new Random(5);
        var (labels, predictions) = (new byte[50_000], new byte[50_000]);
        for (var i = 0; i < labels.Length; i++)
        {
            labels[i] = random.Next(10) == 0 ? (byte)255 : (byte)random.Next(7);
            predictions[i] = random.Next(3) == 0 ? (byte)random.Next(8) : labels[i];
        }
        var builder = new SegmentationMetricsBuilder();
        foreach (var part in Enumerable.Range(0, 50))
            builder.Add(labels.AsSpan(part * 1000, 1000), predictions.AsSpan(part * 1000, 1000));
        var metrics = builder.Build();

        var pairs = labels.Zip(predictions).Where(pair => pair.First != 255).ToLookup(pair => pair);
        // Class 7 is predicted and never true.
        CollectionAssert.AreEqual(Enumerable.Range(0, 8).Select(c => $"{c}").ToArray(), metrics.ClassNames.ToArray());
        for (var truth = 0; truth < 8; truth++)
        {
            for (var predicted = 0; predicted < 8; predicted++)
                Assert.AreEqual(pairs[((byte)truth, (byte)predicted)].Count(), metrics.ConfusionCounts[truth][predicted]);
            var intersection = labels.Zip(predictions).Count(pair => pair.First == truth && pair.Second == truth);
            var union = labels.Zip(predictions)
                .Count(pair => pair.First != 255 && (pair.First == truth || pair.Second == truth));
            Assert.AreEqual((double)intersection / union, metrics.PerClassIntersectionOverUnion[truth], 1e-12);
        }
        Assert.AreEqual(labels.Zip(predictions).Where(pair => pair.First != 255)
            .Average(pair => pair.First == pair.Second ? 1.0 : 0), metrics.PixelAccuracy, 1e-12);
    }

    [TestMethod]
    public void Values_that_are_no_classes_are_refused()
    {
        var builder = new SegmentationMetricsBuilder(["a", "b"]);
        Assert.Contains("label is 2", Assert.ThrowsExactly<ArgumentException>(() => builder.Add([0, 2], [0, 0])).Message);
        Assert.Contains("prediction is 3",
            Assert.ThrowsExactly<ArgumentException>(() => builder.Add([0, 1], [0, 3])).Message);
        Assert.Contains("2 labels and 1", Assert.ThrowsExactly<ArgumentException>(() => builder.Add([0, 1], [0])).Message);
        Assert.AreEqual(0, builder.Build().PixelCount);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new SegmentationMetricsBuilder([]));
    }

    [TestMethod]
    [DataRow(new[] { 0.5, 0.25 }, 1 / 3.0)]
    [DataRow(new[] { 0.6, 0.6, 0.6 }, 0.6)]
    [DataRow(new[] { 0.9, 0.0 }, 0.0)]
    [DataRow(new[] { 0.9, double.NaN, 0.0 }, double.NaN)]
    [DataRow(new double[0], double.NaN)]
    public void The_harmonic_mean_is_defined_everywhere(double[] scores, double expected) =>
        Assert.AreEqual(expected, MultiDomainMetrics.HarmonicMean(scores), 1e-15);

    [TestMethod]
    public void Negative_scores_have_no_harmonic_mean() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MultiDomainMetrics.HarmonicMean(0.5, -0.1));

    private static void AssertAll(double[] expected, IReadOnlyList<double> actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-15);
    }
}
