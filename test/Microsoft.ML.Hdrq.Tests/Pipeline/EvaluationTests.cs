using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Metrics of columns, for all rows and by domain.</summary>
[TestClass]
public sealed class EvaluationTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class MaskRow
    {
        [VectorType(2, 2)]
        public byte[] Label { get; set; } = [];

        [VectorType(2, 2)]
        public byte[] PredictedMask { get; set; } = [];

        [VectorType(4)]
        public byte[] Flat { get; set; } = [];

        public string Domain { get; set; } = "";
    }

    private static readonly MaskRow[] _masks =
    [
        new() { Domain = "day", Label = [0, 0, 1, 255], PredictedMask = [0, 0, 1, 1] },
        new() { Domain = "dusk", Label = [0, 0, 1, 1], PredictedMask = [0, 1, 1, 1] },
        new() { Domain = "day", Label = [1, 1, 0, 0], PredictedMask = [1, 1, 1, 0] },
    ];

    [TestMethod]
    public void Masks_are_evaluated_as_worked_out_by_hand()
    {
        var data = _ml.Data.LoadFromEnumerable(_masks);
        var metrics = _ml.SemanticSegmentation.Evaluate(data);
        // Class 0: 4 hits of 6, none predicted besides; class 1: 5 of 5, 2 more predicted.
        CollectionAssert.AreEqual(new[] { 4 / 6.0, 5 / 7.0 }, metrics.PerClassIntersectionOverUnion.ToArray());
        Assert.AreEqual(9 / 11.0, metrics.PixelAccuracy, 1e-15);

        var byDomain = _ml.SemanticSegmentation.EvaluateByDomain(data);
        CollectionAssert.AreEqual(new[] { "day", "dusk" }, byDomain.Domains.Select(domain => domain.Domain).ToArray());
        // Day: 3 of 4 and 3 of 4; dusk: 1 of 2 and 2 of 3.
        Assert.AreEqual(3 / 4.0, byDomain["day"].MeanIntersectionOverUnion, 1e-15);
        var dusk = (1 / 2.0 + 2 / 3.0) / 2;
        Assert.AreEqual(dusk, byDomain.Domains[1].Score, 1e-15);
        Assert.AreEqual(2 / (1 / 0.75 + 1 / dusk), byDomain.HarmonicMean, 1e-15);
        Assert.AreEqual((0.75 + dusk) / 2, byDomain.Mean, 1e-15);
        Assert.AreEqual(dusk, byDomain.Lowest);
        Assert.Contains("'day', 'dusk'", Assert.ThrowsExactly<KeyNotFoundException>(() => byDomain["fog"]).Message);
    }

    [TestMethod]
    public void Names_of_classes_come_from_the_network()
    {
        using var network = TestNetworks.Segmenter();
        var rows = Images.Rows(3);
        using var transformer = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { ClassNames = ["sky", "road", "tree", "car"] })
            .Fit(Images.View(_ml, rows));
        var scored = transformer.Transform(Images.View(_ml, rows));
        var predicted = scored.GetColumn<VBuffer<byte>>("PredictedMask").Select(mask => mask.DenseValues().ToArray())
            .ToArray();
        var same = _ml.Transforms.CopyColumns("Label", "PredictedMask").Fit(scored).Transform(scored);
        var metrics = _ml.SemanticSegmentation.Evaluate(same);
        CollectionAssert.AreEqual(new[] { "sky", "road", "tree", "car" }, metrics.ClassNames.ToArray());
        Assert.AreEqual(1, metrics.PixelAccuracy);
        Assert.AreEqual(predicted.Sum(mask => mask.Length), metrics.PixelCount);
        CollectionAssert.AreEqual(new[] { "a", "b", "c", "d" },
            _ml.SemanticSegmentation.Evaluate(same, classNames: ["a", "b", "c", "d"]).ClassNames.ToArray());
    }

    [TestMethod]
    public void What_cannot_be_evaluated_is_refused_by_name()
    {
        var data = _ml.Data.LoadFromEnumerable(_masks);
        Assert.Contains("'Truth'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.SemanticSegmentation.Evaluate(data, "Truth")).Message);
        Assert.Contains("'Domain'",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.SemanticSegmentation.Evaluate(data, "Domain")).Message);
        Assert.Contains("'Label'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.SemanticSegmentation.Evaluate(data, "Label", "Flat")).Message);
        Assert.Contains("'Flat'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.SemanticSegmentation.EvaluateByDomain(data, "Flat")).Message);
        Assert.Contains("Row 0", Assert.ThrowsExactly<InvalidOperationException>(
            () => _ml.SemanticSegmentation.Evaluate(data, classNames: ["one"])).Message);
        Assert.AreEqual(0, _ml.SemanticSegmentation.Evaluate(
            _ml.Data.LoadFromEnumerable(Array.Empty<MaskRow>())).PixelCount);
        Assert.IsTrue(double.IsNaN(_ml.SemanticSegmentation.EvaluateByDomain(
            _ml.Data.LoadFromEnumerable(Array.Empty<MaskRow>())).HarmonicMean));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Classes_are_evaluated_by_domain(bool keyed)
    {
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(23);
        var data = Images.View(_ml, rows);
        // The domain of a row is the remainder of its number.
        var named = _ml.Data.LoadFromEnumerable(
            rows.Select(row => new ClassRow
            {
                Pixels = row.Pixels,
                Label = row.Label,
                Domain = $"domain {row.Number % 3}"
            }));
        IEstimator<ITransformer> keys =
            _ml.Transforms.Conversion.MapValueToKey(
            "Label", "Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue);
        if (keyed)
            keys = keys.Append(_ml.Transforms.Conversion.MapValueToKey("Domain", "Domain"));
        var model = keys.Append(_ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { ClassNames = Images.ClassNames })).Fit(named);
        var scored = model.Transform(named);
        var byDomain = _ml.MulticlassClassification.EvaluateByDomain(scored);

        var predicted = scored.GetColumn<uint>("PredictedLabel").ToArray();
        CollectionAssert.AreEqual(new[] { "domain 0", "domain 1", "domain 2" },
            byDomain.Domains.Select(domain => domain.Domain).ToArray());
        var accuracies = Enumerable.Range(0, 3)
            .Select(d => rows.Where(row => row.Number % 3 == d)
            .Average(row => predicted[row.Number] == row.Number % 5 + 1 ? 1.0 : 0)).ToArray();
        for (var d = 0; d < 3; d++)
            Assert.AreEqual(accuracies[d], byDomain.Domains[d].Metrics.MicroAccuracy, 1e-12);
        Assert.AreEqual(accuracies.Contains(0) ? 0 : 3 / accuracies.Sum(accuracy => 1 / accuracy),
            byDomain.HarmonicMean, 1e-12);
        (model as IDisposable)?.Dispose();
    }

    /// <summary>Every network of a pipeline writes a predicted label of the same name; scores have their own.</summary>
    [TestMethod]
    public void Each_network_of_a_pipeline_is_evaluated_by_the_name_of_its_scores()
    {
        using var first = TestNetworks.Classifier();
        using var second = TestNetworks.Classifier();
        second.Parameters["linear.weight"].neg_();
        var rows = Images.Rows(23);
        var data = _ml.Data.LoadFromEnumerable(
            rows.Select(row => new ClassRow
            {
                Pixels = row.Pixels,
                Label = row.Label,
                Domain = $"domain {row.Number % 3}"
            }));
        // The second network's classes have another order.
        string[] others = [.. Images.ClassNames.Reverse()];
        var model = _ml.Transforms.Conversion.MapValueToKey(
            "Label", "Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Append(_ml.Transforms.ApplyNetwork("First", "Pixels", first, new() { ClassNames = Images.ClassNames }))
            .Append(_ml.Transforms.ApplyNetwork("Second", "Pixels", second, new() { ClassNames = others })).Fit(data);
        var scored = model.Transform(data);
        foreach (var (column, names) in new[] { ("First", Images.ClassNames), ("Second", others) })
        {
            var byDomain = _ml.MulticlassClassification.EvaluateByDomain(scored, scoreColumnName: column);
            var right = Images.Scores(scored, column)
                .Select((scores, row) => names[Array.IndexOf(scores, scores.Max())] == rows[row].Label ? 1.0 : 0)
                .ToArray();
            for (var domain = 0; domain < 3; domain++)
                Assert.AreEqual(rows.Where(row => row.Number % 3 == domain).Average(row => right[row.Number]),
                    byDomain[$"domain {domain}"].MicroAccuracy, 1e-12, column);
        }
        (model as IDisposable)?.Dispose();
    }

    /// <summary>Masks have no scores beside them in an evaluation, so a score column stands for its best classes.</summary>
    [TestMethod]
    public void Each_network_of_a_pipeline_for_masks_is_evaluated_by_the_name_of_its_scores()
    {
        using var first = TestNetworks.Segmenter();
        using var second = TestNetworks.Segmenter();
        second.Parameters["conv.weight"].neg_();
        var view = Images.View(_ml, Images.Rows(3));
        using var truth = _ml.Transforms.ApplyNetwork("Score", "Pixels", first).Fit(view);
        var labelled = _ml.Transforms.CopyColumns("Label", "PredictedMask")
            .Append(_ml.Transforms.CopyColumns("Domain", "Name")).Fit(truth.Transform(view))
            .Transform(truth.Transform(view));
        using var wrong = _ml.Transforms.ApplyNetwork(
            "Second", "Pixels", second, new() { ClassNames = ["a", "b", "c", "d"] }).Fit(labelled);
        var scored = wrong.Transform(labelled);

        var own = _ml.SemanticSegmentation.EvaluateByDomain(scored, predictedMaskColumnName: "Score");
        Assert.IsTrue(own.Domains.All(domain => domain.Metrics.PixelAccuracy == 1));
        Assert.HasCount(3, own.Domains);
        var other = _ml.SemanticSegmentation.Evaluate(scored, predictedMaskColumnName: "Second");
        var last = _ml.SemanticSegmentation.Evaluate(scored);
        Assert.AreEqual(last.PixelAccuracy, other.PixelAccuracy);
        CollectionAssert.AreEqual(last.PerClassIntersectionOverUnion.ToArray(),
            other.PerClassIntersectionOverUnion.ToArray());
        CollectionAssert.AreEqual(new[] { "a", "b", "c", "d" }, other.ClassNames.ToArray());
        Assert.IsLessThan(0.5, other.PixelAccuracy);
    }

    private sealed class ClassRow
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        public string Label { get; set; } = "";

        public string Domain { get; set; } = "";
    }
}
