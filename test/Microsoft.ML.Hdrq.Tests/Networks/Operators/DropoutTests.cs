using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class DropoutTests
{
    [TestMethod]
    public void TrainingDropsTheRatioAndScalesTheRest()
    {
        using var scope = torch.NewDisposeScope();
        var (output, mask) = Drop(ForwardMode.Training, 0.25f, seed: 1);
        var kept = mask.to(torch.ScalarType.Float32);
        // Four standard deviations of 10,000 draws.
        Assert.AreEqual(0.75, kept.mean().item<float>(), 0.0175);
        Assert.IsTrue(output.allclose(kept.div(0.75)));
    }

    [TestMethod]
    public void TheGeneratorDecides()
    {
        using var scope = torch.NewDisposeScope();
        var first = Drop(ForwardMode.Training, 0.5f, seed: 1).Output;
        Assert.IsTrue(first.equal(Drop(ForwardMode.Training, 0.5f, seed: 1).Output).all().item<bool>());
        Assert.IsFalse(first.equal(Drop(ForwardMode.Training, 0.5f, seed: 2).Output).all().item<bool>());
    }

    [TestMethod]
    [DataRow(ForwardMode.Inference)]
    [DataRow(ForwardMode.Gradient)]
    public void NothingIsDroppedOutsideTraining(ForwardMode mode)
    {
        using var scope = torch.NewDisposeScope();
        var (output, mask) = Drop(mode, 0.5f, seed: 1);
        Assert.IsTrue(output.eq(1).all().item<bool>());
        Assert.IsTrue(mask.all().item<bool>());
    }

    [TestMethod]
    [DataRow(1f)]
    [DataRow(-0.1f)]
    [DataRow(float.NaN)]
    public void RatiosOutOfRangeAreRefused(float ratio)
    {
        using var scope = torch.NewDisposeScope();
        Assert.ThrowsExactly<InvalidDataException>(() => Drop(ForwardMode.Training, ratio, seed: 1));
    }

    private static (torch.Tensor Output, torch.Tensor Mask) Drop(ForwardMode mode, float ratio, long seed)
    {
        using var generator = new torch.Generator((ulong)seed);
        var outputs = Operator.Create("Dropout")
            .Compute([torch.ones(100, 100), torch.tensor(ratio)], new ComputeContext(mode, torch.CPU, generator));
        return (outputs[0], outputs[1]);
    }
}
