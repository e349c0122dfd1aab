using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class QuantizationErrorTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(7)]
    [DataRow(300)]
    [DataRow(1024)]
    public unsafe void TheSumIsThatOfThePowers(int count)
    {
        var random = new Random(count);
        foreach (var magnitude in new[] { 1e-6f, 1, 1e4f })
        {
            var values = Enumerable.Range(0, count)
                .Select(i => i % 5 == 4 ? 0 : (random.NextSingle() - 0.5f) * magnitude).ToArray();
            foreach (var (bits, isSigned) in new[] { (2, true), (4, false), (8, true) })
            {
                var range = new QuantizationRange(bits, isSigned);
                var scale = (float)range.ScaleFor(0.3 * magnitude);
                var expected = values.Sum(value =>
                    Math.Pow(Math.Abs(Math.Clamp(
                        MathF.Round(value / scale), range.Minimum, range.Maximum) * scale - value), 2.4));
                fixed (float* first = values)
                    Assert.AreEqual(expected, QuantizationError.Sum(first, count, scale, range), 2e-6 * expected,
                        $"{magnitude}, {range}");
            }
        }
    }

    [TestMethod]
    public unsafe void WhatIsOnTheGridHasNoError()
    {
        var values = Enumerable.Range(-4, 19).Select(i => i * 0.25f).ToArray();
        fixed (float* first = values)
        {
            Assert.AreEqual(0, QuantizationError.Sum(first, values.Length, 0.25f, new QuantizationRange(8, isSigned: true)));
            Assert.AreEqual(0, QuantizationError.Sum(first, 0, 0.25f, new QuantizationRange(8, isSigned: true)));
        }
    }
}
