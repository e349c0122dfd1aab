using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class QuantizationPlanTests
{
    /// <summary>The first and the last layer have 8 bits, the others the average, whatever kind of layer they are.</summary>
    [TestMethod]
    public void An_average_of_bits_is_a_size_of_all_weights()
    {
        using var network = ResNet.Cifar(8, classes: 3, seed: 1, width: 4, inputSize: 16);
        var plan = new QuantizationPlan("a", "RTN", new RoundToNearestOptions(), Seed: 1, AverageBits: 3.5);
        // 4 x 3 x 9 and 3 x 16 weights of 8 bits; two convolutions each of 4 to 4, 4 or 8 to 8, and 8 or 16 to 16
        // channels: 144 + 144 + 288 + 576 + 1152 + 2304.
        Assert.AreEqual(108 + 48 + 3.5 * 4608 / 8, plan.For(network).BitBudget!.TargetSize!.Value);
        Assert.IsNull((plan with { AverageBits = null }).For(network).BitBudget);
    }
}
