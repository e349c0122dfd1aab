using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ApplyNetworkScoreTests
{
    [TestMethod]
    [DataRow(1, 7)]
    [DataRow(3, 7)]
    [DataRow(32, 71)]
    [DataRow(32, 0)]
    public void ScoresAreThoseOfOnnxRuntime(int batchSize, int rowCount)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(rowCount);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { BatchSize = batchSize })
            .Fit(data);

        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)),
            Images.Scores(transformer.Transform(data)), 1e-4f);
    }

    [TestMethod]
    public void FlatVectorsScoreAsShapedOnes()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(5);
        var flat = Images.View(ml, rows, TestNetworks.PixelCount);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(flat);

        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)),
            Images.Scores(transformer.Transform(flat)), 1e-4f);
    }

    [TestMethod]
    public void NullInputIsTheColumnOfTheOutputsName()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(5);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork("Pixels", null, network).Fit(data);

        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)),
            Images.Scores(transformer.Transform(data), "Pixels"), 1e-4f);
    }

    [TestMethod]
    public void NormalizationIsAppliedBeforeTheNetwork()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(6, range: 255);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Normalization = ChannelNormalization.ImageNet() }).Fit(data);

        float[] mean = [0.485f, 0.456f, 0.406f];
        float[] deviation = [0.229f, 0.224f, 0.225f];
        const int plane = TestNetworks.Size * TestNetworks.Size;
        var normalized = rows.Select(
            row => row.Pixels.Select((pixel, i) => (pixel / 255 - mean[i / plane]) / deviation[i / plane]).ToArray());
        var expected = OnnxRuntimeScores.Of(network, normalized);
        Images.AssertClose(expected, Images.Scores(transformer.Transform(data)), 1e-4f);
        Images.AssertClose(expected, OnnxRuntimeScores.Of(transformer.Network, rows.Select(row => row.Pixels)), 1e-4f);
        Assert.AreEqual("input", transformer.Network.Graph.Inputs.Single().Name);
    }

    [TestMethod]
    public void NormalizationIsNoWeight()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Normalization = ChannelNormalization.ImageNet(1) })
            .Fit(Images.View(ml, Images.Rows(1)));

        var added = transformer.Network.Graph.Parameters.Where(
            parameter => network.Graph.Parameters.All(old => old.Name != parameter.Name)).ToArray();
        Assert.HasCount(2, added);
        foreach (var parameter in added)
        {
            Assert.AreEqual(ParameterRole.Constant, parameter.Role);
            CollectionAssert.AreEqual(new long[] { 1, 3, 1, 1 }, parameter.Shape.ToArray());
        }
    }

    [TestMethod]
    public void SoftmaxGivesProbabilities()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(9);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Softmax = true, BatchSize = 4 }).Fit(data);

        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)).Select(scores =>
        {
            var sum = scores.Sum(score => Math.Exp(score));
            return scores.Select(score => (float)(Math.Exp(score) / sum)).ToArray();
        }).ToArray();
        Images.AssertClose(expected, Images.Scores(transformer.Transform(data)), 1e-4f);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public void NetworksForAFixedBatchAreRunInSuchBatches(int batch)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier(batch);
        using var flexible = TestNetworks.Classifier();
        var rows = Images.Rows(7);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { BatchSize = 6 }).Fit(data);

        Images.AssertClose(OnnxRuntimeScores.Of(flexible, rows.Select(row => row.Pixels)),
            Images.Scores(transformer.Transform(data)), 1e-4f);
    }

    [TestMethod]
    public void OpenSizesAreTakenFromTheColumn()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Segmenter();
        var rows = Images.Rows(3, pixels: 3 * 4 * 6);
        var data = Images.View(ml, rows, 3, 4, 6);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        var scored = transformer.Transform(data);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 4, 4, 6), scored.Schema["Score"].Type);
        Assert.IsNull(scored.Schema.GetColumnOrNull("PredictedLabel"));
        Assert.IsNull(transformer.PredictedLabelColumnName);
        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels), 3, 4, 6),
            Images.Scores(scored), 1e-4f);
    }

    [TestMethod]
    public void SparseVectorsScoreAsDenseOnes()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Identity(6);
        var data = ml.Data.LoadFromEnumerable(
            [new SparseRow { Pixels = new VBuffer<float>(6, 2, [3f, -1f], [1, 4]) },
                new SparseRow { Pixels = new VBuffer<float>(6, 1, [7f], [0]) }]);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        Images.AssertClose([[0, 3, 0, 0, -1, 0], [7, 0, 0, 0, 0, 0]], Images.Scores(transformer.Transform(data)), 0);
    }

    [TestMethod]
    [DataRow(new[] { 1f, 3f, 2f }, 2u)]
    [DataRow(new[] { 3f, 1f, 3f }, 1u)]
    [DataRow(new[] { float.NaN, 1f, 2f }, 3u)]
    [DataRow(new[] { 1f, float.NaN, 0f }, 1u)]
    [DataRow(new[] { float.NaN, float.NaN, float.NaN }, 0u)]
    [DataRow(new[] { float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity }, 1u)]
    public void PredictedLabelIsTheFirstBestClass(float[] scores, uint expected)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Decoding(3);
        var data = Images.View(ml, [new ImageRow { Pixels = TestNetworks.Encoded(scores) }], 3);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        var scored = transformer.Transform(data);
        Assert.AreEqual(expected, scored.GetColumn<uint>("PredictedLabel").Single());
        CollectionAssert.AreEqual(scores, Images.Scores(scored).Single());
    }

    [TestMethod]
    public void RowsOfAnotherSizeAreRefused()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Identity(6);
        var data = ml.Data.LoadFromEnumerable(
            [new SparseRow { Pixels = new VBuffer<float>(6, new float[6]) },
                new SparseRow { Pixels = new VBuffer<float>(4, new float[4]) }]);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        using var cursor = transformer.Transform(data).GetRowCursor([transformer.GetOutputSchema(data.Schema)["Score"]]);
        var getter = cursor.GetGetter<VBuffer<float>>(cursor.Schema["Score"]);
        Assert.IsTrue(cursor.MoveNext());
        VBuffer<float> value = default;
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref value));
        Assert.AreEqual("Row 1 of column 'Pixels' has 4 values instead of 6.", error.Message);
    }

    [TestMethod]
    public void TheCallersNetworkStaysTheCallers()
    {
        var ml = new MLContext(1);
        var rows = Images.Rows(4);
        var data = Images.View(ml, rows);
        var network = TestNetworks.Classifier();
        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels));
        var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        network.Dispose();
        Images.AssertClose(expected, Images.Scores(transformer.Transform(data)), 1e-4f);

        using var other = TestNetworks.Classifier();
        ml.Transforms.ApplyNetwork("Score", "Pixels", other).Fit(data).Dispose();
        transformer.Dispose();
        Assert.AreEqual(TestNetworks.Classes, other.Parameters["linear.bias"].numel());
        Assert.ThrowsExactly<ObjectDisposedException>(() => transformer.Transform(data));
    }

    private sealed class SparseRow
    {
        [VectorType(6)]
        public VBuffer<float> Pixels { get; set; }
    }
}
