using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>The number of Torch's threads belongs to the application: a step uses its own and puts the other back.</summary>
[TestClass]
public sealed class ThreadsTests
{
    private readonly int _before = torch.get_num_threads();

    [TestCleanup]
    public void CleanUp() => torch.set_num_threads(_before);

    [TestMethod]
    public void A_step_uses_its_own_number_whatever_the_application_has_set()
    {
        var results = new List<byte[]>();
        foreach (var applications in new[] { 1, 2, 3 })
        {
            torch.set_num_threads(applications);
            var during = new List<int>();
            using var quantized = Quantize(
                new() { Seed = 1, Threads = 2 }, new Reports(_ => during.Add(torch.get_num_threads())));
            Assert.AreEqual(applications, torch.get_num_threads());
            CollectionAssert.AreEqual(new[] { 2 }, during.Distinct().ToArray());
            Assert.AreEqual("2", quantized.Metadata[NetworkMetadata.Threads]);
            using var stream = new MemoryStream();
            quantized.SaveOnnx(stream);
            results.Add(stream.ToArray());
        }
        CollectionAssert.AreEqual(results[0], results[1]);
        CollectionAssert.AreEqual(results[0], results[2]);
    }

    [TestMethod]
    public void Without_the_option_it_is_that_of_the_application()
    {
        torch.set_num_threads(3);
        using var quantized = Quantize(new() { Seed = 1 }, progress: null);
        Assert.AreEqual("3", quantized.Metadata[NetworkMetadata.Threads]);
        Assert.AreEqual(3, torch.get_num_threads());
    }

    [TestMethod]
    public void It_is_put_back_where_the_step_fails()
    {
        torch.set_num_threads(3);
        Assert.ThrowsExactly<OperationCanceledException>(
            () => Quantize(new() { Threads = 1, CancellationToken = new CancellationToken(canceled: true) },
                progress: null));
        Assert.AreEqual(3, torch.get_num_threads());
    }

    private static Network Quantize(RowOptions rows, IProgress<QuantizationProgress>? progress)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(4));
        using var fitted = ml.Transforms.ApplyNetwork("Source", "Pixels", network)
            .Append(ml.Transforms.QuantizeHdrq(
                "Score", "Source", new()
                {
                    WeightBits = 4,
                    ActivationBits = 4,
                    Training = new() { Iterations = 3 },
                    Progress = progress
                }, rows))
            .Fit(data);
        return fitted.LastTransformer.Network.Clone();
    }

    private sealed class Reports(Action<QuantizationProgress> receive) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => receive(value);
    }
}
