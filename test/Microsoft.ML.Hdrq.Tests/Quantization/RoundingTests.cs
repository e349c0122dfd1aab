using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class RoundingTests
{
    [TestMethod]
    [DataRow(2, true, -2, 1)]
    [DataRow(2, false, 0, 3)]
    [DataRow(3, true, -4, 3)]
    [DataRow(4, true, -8, 7)]
    [DataRow(4, false, 0, 15)]
    [DataRow(5, true, -16, 15)]
    [DataRow(6, false, 0, 63)]
    [DataRow(7, true, -64, 63)]
    [DataRow(8, true, -128, 127)]
    [DataRow(8, false, 0, 255)]
    public void ARangeHasTheIntegersOfItsBits(int bits, bool isSigned, int least, int greatest)
    {
        var range = new QuantizationRange(bits, isSigned);
        Assert.AreEqual(least, range.Minimum);
        Assert.AreEqual(greatest, range.Maximum);
        Assert.AreEqual(isSigned ? 2.0 / (greatest - least) : 1.0 / greatest, range.ScaleFor(1), 1e-12);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(9)]
    public void OtherBitsAreRefused(int bits)
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new QuantizationRange(bits, isSigned: true));
        Assert.ThrowsExactly<InvalidDataException>(
            () => Operator.Create("FakeQuantize",
                new OperatorAttributes(("minimum", 0), ("maximum", (1 << bits) - 1))));
    }

    [TestMethod]
    [DataRow(-29, 226, 8, true)]
    [DataRow(-255, 0, 8, true)]
    [DataRow(-5, 10, 4, true)]
    [DataRow(-100, 99, 8, true)]
    [DataRow(0, 16, 5, false)]
    [DataRow(-1, 1, 2, true)]
    public void ARangeMayLieAnywhereAroundZero(int minimum, int maximum, int bits, bool isSigned)
    {
        var range = QuantizationRange.Between(minimum, maximum);
        Assert.AreEqual((minimum, maximum, bits, isSigned), (range.Minimum, range.Maximum, range.Bits, range.IsSigned));
        Assert.AreEqual($"{minimum} to {maximum}", range.ToString());
    }

    [TestMethod]
    [DataRow(1, 200)]
    [DataRow(-200, -1)]
    [DataRow(0, 256)]
    [DataRow(0, 1)]
    [DataRow(int.MinValue, int.MaxValue)]
    public void RangesWithoutZeroOrOfOtherBitsAreRefused(int minimum, int maximum) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => QuantizationRange.Between(minimum, maximum));

    [TestMethod]
    public void ARangeOfBitsIsTheRangeOfItsBounds() =>
        Assert.AreEqual(new QuantizationRange(4, isSigned: true), QuantizationRange.Between(-8, 7));

    // pmaddubsw adds two products of an unsigned and a signed byte within 16 bits.
    [TestMethod]
    public void The_reduced_range_is_the_widest_of_which_pairs_of_products_fit_into_16_bits()
    {
        var range = QuantizationRange.Reduced;
        Assert.AreEqual((8, true, 0.25), (range.Bits, range.IsSigned, range.ScaleFor(16)));
        foreach (var integer in new[] { range.Minimum, range.Maximum })
        {
            Assert.IsTrue(Fits(integer));
            Assert.IsFalse(Fits(integer + Math.Sign(integer)));
        }

        static bool Fits(int integer) => 2 * byte.MaxValue * integer is >= short.MinValue and <= short.MaxValue;
    }

    [TestMethod]
    public void HalvesGoToEven()
    {
        using var scope = torch.NewDisposeScope();
        var values = torch.tensor(new[] { -2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f, 9, -9 }).mul(0.25);
        Golden.AssertClose([-0.5f, -0.5f, 0, 0, 0.5f, 0.5f, 0.75f, 0.75f, -1],
            NearestRounding.Instance.Apply(values, torch.tensor(0.25f), new QuantizationRange(3, isSigned: true)));
    }

    [TestMethod]
    public void WhatIsQuantizedStaysAsItIs()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var isSigned in new[] { true, false })
        {
            for (var bits = 2; bits <= 8; bits++)
            {
                var range = new QuantizationRange(bits, isSigned);
                foreach (var scale in new[] { 0.1f, 1 / 3f, 7.7e-5f, 123.456f })
                {
                    var once = NearestRounding.Instance.Apply(
                        SmallNetworks.Random(bits, 1000).mul(3 * scale), torch.tensor(scale), range);
                    Assert.AreEqual(TensorData.FromTorch(once),
                        TensorData.FromTorch(NearestRounding.Instance.Apply(once, torch.tensor(scale), range)));
                }
            }
        }
    }

    [TestMethod]
    public void AScaleGrowsForValuesBeyondItAndFollowsTheErrorInside()
    {
        using var scope = torch.NewDisposeScope();
        // Integers -4 to 3 at scale 1: below, above, rounded up, rounded down, exact.
        var cases = new (float Value, float Gradient)[] { (-9, -4), (9, 3), (1.75f, 0.25f), (1.25f, -0.25f), (2, 0),
            (-3.75f, -0.25f) };
        foreach (var (value, gradient) in cases)
        {
            var values = torch.tensor(new[] { value }).requires_grad_();
            var scale = torch.tensor(1f).requires_grad_();
            NearestRounding.Instance.Apply(values, scale, new QuantizationRange(3, isSigned: true)).sum().backward();
            Golden.AssertClose([gradient], scale.grad!, $"{value}");
            Golden.AssertClose([Math.Abs(value) > 4 ? 0 : 1], values.grad!, $"{value}");
        }
    }

    [TestMethod]
    public void BypassLetsEveryBitThrough()
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(1, 100);
        Assert.AreEqual(TensorData.FromTorch(values),
            TensorData.FromTorch(BypassRounding.Instance.Apply(
                values, torch.tensor(0.3f), new QuantizationRange(2, isSigned: false))));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(-1)]
    public void EveryIndexOfTheAxisHasItsScale(int axis)
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(2, 3, 4);
        var count = axis == 0 ? 3 : 4;
        var scale = torch.arange(1, count + 1, torch.ScalarType.Float32).mul(0.1);
        var range = new QuantizationRange(4, isSigned: true);
        var quantizer = Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis));
        var actual = quantizer.Compute([values, scale], new ComputeContext(ForwardMode.Inference, torch.CPU))[0];
        var dimension = axis == 0 ? 0 : 1;
        for (var i = 0; i < count; i++)
            Golden.AssertClose(Golden.Numbers(
                NearestRounding.Instance.Apply(values.select(dimension, i), torch.tensor(0.1f * (i + 1)), range)),
                actual.select(dimension, i));
    }
}
