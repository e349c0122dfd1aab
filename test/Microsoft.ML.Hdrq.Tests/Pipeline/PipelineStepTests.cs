using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class PipelineStepTests
{
    [TestMethod]
    public void PredictionEnginesScoreSingleRows()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(6);
        var data = Images.View(ml, rows);
        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels));
        using var model = ml.Transforms.ApplyNetwork("Score", "Pixels", network)
            .Append(ml.Transforms.CopyColumns("Copy", "Score")).Fit(data);
        using var engine = ml.Model.CreatePredictionEngine<ImageRow, ScoredRow>(model, inputSchemaDefinition: Definition());

        // The same object twice: the scores of a row must not outlive it.
        var row = new ImageRow();
        for (var i = 0; i < rows.Length; i++)
        {
            row.Pixels = rows[i].Pixels;
            row.Name = rows[i].Name;
            var scored = engine.Predict(row);
            Images.AssertClose([expected[i]], [scored.Score], 1e-4f);
            Assert.AreEqual((uint)Array.IndexOf(expected[i], expected[i].Max()) + 1, scored.PredictedLabel);
            Assert.AreEqual(rows[i].Name, scored.Name);
        }
    }

    [TestMethod]
    public void EvaluatesAsABuiltInTrainer()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(60);
        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels));
        // Most labels are what the network says, the others are not.
        for (var i = 0; i < rows.Length; i++)
            rows[i].Label =
                $"class {(Array.IndexOf(expected[i], expected[i].Max()) + (i % 4 == 0 ? 1 : 0)) % TestNetworks.Classes}";
        var data = Images.View(ml, rows);
        var classes = ml.Data.LoadFromEnumerable(Images.ClassNames.Select(name => new ImageRow { Label = name }));
        var keys = ml.Transforms.SelectColumns("Label").Fit(classes).Transform(classes);
        using var model = ml.Transforms.Conversion.MapValueToKey("Label", keyData: keys)
            .Append(ml.Transforms.ApplyNetwork(
                "Score", "Pixels", network, new() { ClassNames = Images.ClassNames, Softmax = true })).Fit(data);

        var scored = model.Transform(data);
        var metrics = ml.MulticlassClassification.Evaluate(scored);
        Assert.AreEqual(0.75, metrics.MicroAccuracy, 1e-9);
        var labels = rows.Select(row => Array.IndexOf(Images.ClassNames, row.Label)).ToArray();
        var logLoss = expected.Select((scores, i) => Math.Log(scores.Sum(score => Math.Exp(score))) - scores[labels[i]])
            .Average();
        Assert.AreEqual(logLoss, metrics.LogLoss, 1e-4);

        var named = ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
        CollectionAssert.AreEqual(expected.Select(scores => $"class {Array.IndexOf(scores, scores.Max())}").ToArray(),
            named.GetColumn<string>("PredictedLabel").ToArray());
    }

    [TestMethod]
    public void ChainsOfEstimatorsKnowTheirSchemas()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(20);
        var data = Images.View(ml, rows);
        // A trainer checks the shape of the schema before anything runs, and trains on the scores.
        var estimator = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.Transforms.ApplyNetwork("Features", "Pixels", network, new() { PredictedLabelColumnName = "Guess" }))
            .AppendCacheCheckpoint(ml)
            .Append(ml.Transforms.Conversion.MapKeyToValue("Guess"))
            .Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        using var model = estimator.Fit(data);

        var scored = model.Transform(data);
        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)),
            Images.Scores(scored, "Features"), 1e-4f);
        Assert.AreEqual(TestNetworks.Classes, Images.Scores(scored)[0].Length);
        Assert.AreEqual(TextDataViewType.Instance, scored.Schema["Guess"].Type);
    }

    [TestMethod]
    public void MatchesRowsAfterCachingSplittingAndPreviewing()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(50);
        var data = Images.View(ml, rows);
        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels));
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { BatchSize = 7 }).Fit(data);
        var scored = transformer.Transform(data);

        var split = ml.Data.TrainTestSplit(scored, 0.3);
        Check(split.TrainSet);
        Check(split.TestSet);
        Assert.AreEqual(50, Check(ml.Data.Cache(scored)));
        Assert.AreEqual(50, Check(ml.Data.ShuffleRows(scored)));
        Assert.AreEqual(10, Check(ml.Data.TakeRows(ml.Data.SkipRows(scored, 15), 10)));
        foreach (var fold in ml.Data.CrossValidationSplit(scored, 3))
            Check(fold.TestSet);

        var preview = scored.Preview(12);
        Assert.HasCount(12, preview.RowView);
        for (var i = 0; i < 12; i++)
        {
            var scores = (VBuffer<float>)preview.RowView[i].Values.Single(value => value.Key == "Score").Value;
            Images.AssertClose([expected[i]], [[.. scores.DenseValues()]], 1e-4f);
        }

        int Check(IDataView view)
        {
            var count = 0;
            foreach (var row in ml.Data.CreateEnumerable<ScoredRow>(view, reuseRowObject: false))
            {
                Images.AssertClose([expected[row.Number]], [row.Score], 1e-4f);
                Assert.AreEqual(rows[row.Number].Name, row.Name);
                CollectionAssert.AreEqual(rows[row.Number].Extra, row.Extra);
                count++;
            }
            return count;
        }
    }

    [TestMethod]
    public void ScoredDataCanBeSavedAsBinary()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(5);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        using var folder = new TemporaryDirectory();
        using (var stream = File.Create(folder.Combine("scored.idv")))
            ml.Data.SaveAsBinary(transformer.Transform(data), stream);

        var loaded = ml.Data.LoadFromBinary(folder.Combine("scored.idv"));
        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)), Images.Scores(loaded), 1e-4f);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), TestNetworks.Classes), loaded.Schema["PredictedLabel"].Type);
    }

    [TestMethod]
    public void ScoresDoNotDependOnBatchesOrOrder()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(37);
        var reference = Score(rows, 32);
        Images.AssertClose(reference, Score(rows, 1), 1e-5f);
        Images.AssertClose(reference, Score(rows, 5), 1e-5f);
        var reversed = Score([.. rows.Reverse()], 8);
        Images.AssertClose(reference, [.. reversed.Reverse()], 1e-5f);
        // The same data, batches and context give the same bits.
        Images.AssertClose(reference, Score(rows, 32), 0);

        float[][] Score(ImageRow[] rows, int batchSize)
        {
            var data = Images.View(ml, rows);
            using var transformer = ml.Transforms.ApplyNetwork(
                "Score", "Pixels", network, new() { BatchSize = batchSize }).Fit(data);
            return Images.Scores(transformer.Transform(data));
        }
    }

    [TestMethod]
    public void FitTellsTheLog()
    {
        var ml = new MLContext(1);
        var messages = new List<string>();
        ml.Log += (_, e) => messages.Add(e.Message);
        using var network = TestNetworks.Classifier();
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(Images.View(ml, Images.Rows(1)));
        Assert.HasCount(1, messages.Where(
            message => message.Contains("Kind=Info") && message.Contains("'Score'") && message.Contains("'Pixels'")));
    }

    private static SchemaDefinition Definition()
    {
        var definition = SchemaDefinition.Create(typeof(ImageRow));
        definition[nameof(ImageRow.Pixels)].ColumnType =
            new VectorDataViewType(NumberDataViewType.Single, TestNetworks.Channels, TestNetworks.Size,
            TestNetworks.Size);
        return definition;
    }
}
