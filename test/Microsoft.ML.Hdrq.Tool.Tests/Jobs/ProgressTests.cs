using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class ProgressTests
{
    /// <summary>Gram matrices are collected when training has reported its last step.</summary>
    [TestMethod]
    public void Training_is_not_all_of_the_work()
    {
        Assert.AreEqual("loss 0.250", MergeJob.State(new FineTuningProgress(9, 10, 0.25, 1, null)).Item2);
        Assert.AreEqual("loss 0.2500", MergeJob.State(new QuantizationProgress("a", 1, 2, 9, 10, 0.25)).Item2);
        var steps = Enumerable.Range(1, 10)
            .Select(step => MergeJob.State(new FineTuningProgress(step, 10, 0, 1, null)).Item1);
        var blocks =
            from block in Enumerable.Range(0, 2)
            from step in Enumerable.Range(1, 10)
            select MergeJob.State(new QuantizationProgress("a", block, 2, step, 10, 0)).Item1;
        foreach (var shares in new[] { steps.ToArray(), blocks.ToArray() })
        {
            CollectionAssert.AreEqual(shares.Order().Distinct().ToArray(), shares);
            Assert.IsLessThan(1, shares[^1]);
        }
        Assert.Contains("Gram matrices", MergeJob.State(new FineTuningProgress(10, 10, 0, 1, null)).Item2!);
        Assert.Contains("Gram matrices", MergeJob.State(new QuantizationProgress("a", 1, 2, 10, 10, 0)).Item2!);
    }
}
