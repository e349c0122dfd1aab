using Microsoft.ML.Data;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ScoringMemoryTests
{
    [TestMethod]
    public void NothingOutlivesAPassOrATransformer()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(50));
        // Loads what is loaded once.
        ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data).Dispose();

        var before = Alive();
        var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network,
            new() { Normalization = Hdrq.Pipeline.ChannelNormalization.ImageNet(), Softmax = true }).Fit(data);
        var fitted = Alive();
        Assert.IsGreaterThan(before, fitted);
        var scored = transformer.Transform(data);
        for (var pass = 0; pass < 3; pass++)
        {
            Assert.HasCount(50, Images.Scores(scored));
            Assert.AreEqual(fitted, Alive());
        }

        // A cursor that stops half-way.
        using (var cursor = scored.GetRowCursor(scored.Schema))
        {
            VBuffer<float> value = default;
            Assert.IsTrue(cursor.MoveNext());
            cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"])(ref value);
        }
        Assert.AreEqual(fitted, Alive());

        using (var stream = new MemoryStream())
            ml.Model.Save(transformer, data.Schema, stream);
        Assert.AreEqual(fitted, Alive());

        transformer.Dispose();
        transformer.Dispose();
        Assert.AreEqual(before, Alive());
    }

    [TestMethod]
    public void AFitThatFailsLeavesNothing()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Identity(3, declareOutput: false);
        var data = Images.View(ml, Images.Rows(1, pixels: 3), 3);
        LiveTensors.AssertUnchanged(() =>
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = ["one"] })
                .Fit(data)));
    }

    // The count is this thread's: what is made and freed here.
    private static long Alive() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
}
