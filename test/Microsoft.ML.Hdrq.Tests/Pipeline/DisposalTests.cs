using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>What is disposed while others use it ends in order.</summary>
[TestClass]
public sealed class DisposalTests
{
    private const int Races = 30;

    [TestMethod]
    [DataRow(ScoringEngineKind.OnnxRuntime)]
    [DataRow(ScoringEngineKind.Torch)]
    public void Nothing_is_freed_under_another_thread(ScoringEngineKind engine)
    {
        for (var seed = 0; seed < Races; seed++)
            DisposalRaces.Run(engine, seed);
    }

    [TestMethod]
    public void The_last_user_frees_once()
    {
        var freed = 0;
        var count = new UseCount(() => new ObjectDisposedException("it"), () => freed++);
        var first = count.Begin();
        var second = count.Begin();
        count.Close();
        count.Close();
        Assert.AreEqual(0, freed);
        // What is running may go on; another thread comes too late.
        count.Begin().Dispose();
        ObjectDisposedException? refusal = null;
        var other = new Thread(() => refusal = Assert.ThrowsExactly<ObjectDisposedException>(() => count.Begin()));
        other.Start();
        other.Join();
        Assert.AreEqual("it", refusal!.ObjectName);
        second.Dispose();
        Assert.AreEqual(0, freed);
        first.Dispose();
        Assert.AreEqual(1, freed);
        count.Close();
        Assert.ThrowsExactly<ObjectDisposedException>(() => count.Begin());
        Assert.AreEqual(1, freed);
    }

    [TestMethod]
    public void All_memory_is_freed_also_where_the_user_was_last()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using var input = torch.zeros(1, 3, 8, 8);
            var network = TestNetworks.Classifier();
            using (network.Use())
            {
                network.Dispose();
                network.Forward(input).Dispose();
            }
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.Forward(input));
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.Parameters);
            Assert.ThrowsExactly<ObjectDisposedException>(() => network.SaveOnnx(Stream.Null));
        });
    }

    [TestMethod]
    public void The_sentence_names_the_column()
    {
        var ml = new MLContext(1);
        var data = Images.View(ml, Images.Rows(3));
        using var network = TestNetworks.Classifier();
        var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        var view = transformer.Transform(data);
        transformer.Dispose();
        var refusal = Assert.ThrowsExactly<ObjectDisposedException>(() => Images.Scores(view));
        Assert.AreEqual(typeof(NetworkTransformer).FullName, refusal.ObjectName);
        StringAssert.StartsWith(refusal.Message, "The transformer of column 'Score' has been disposed: it gives no scores.");
        // The network was a copy of the caller's, who may go on with it.
        Assert.HasCount(64, network.ParametersSha256());
    }
}
