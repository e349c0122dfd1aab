using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Tool.Segmentation;

namespace Microsoft.ML.Hdrq.Tool.Tests.Segmentation;

[TestClass]
public sealed class ClassBalanceTests
{
    /// <summary>
    /// Shares 16/25, 9/25 and none: the roots 4/5 and 3/5 sum to 7/5, so the weights are (5/4) / (7/5) and (5/3) /
    /// (7/5).
    /// </summary>
    [TestMethod]
    public void Weights_are_one_over_the_root_of_the_share_and_1_for_the_average_pixel()
    {
        var mask = Enumerable.Repeat((byte)0, 16).Concat(Enumerable.Repeat((byte)1, 9))
            .Concat(Enumerable.Repeat((byte)255, 40)).ToArray();
        var weights = ClassBalance.Weights(
            [new VBuffer<byte>(30, mask[..30]), new VBuffer<byte>(35, mask[30..])], classes: 3);
        Assert.HasCount(3, weights);
        Assert.AreEqual(25.0 / 28, weights[0], 1e-6);
        Assert.AreEqual(25.0 / 21, weights[1], 1e-6);
        Assert.AreEqual(1, weights[2]);
    }

    [TestMethod]
    public void A_very_rare_class_counts_5_times_the_average_pixel() =>
        Assert.AreEqual(5, ClassBalance.Weights(
            [new VBuffer<byte>(10_000, [.. Enumerable.Repeat((byte)0, 9_999), 1])], classes: 2)[1]);
}
