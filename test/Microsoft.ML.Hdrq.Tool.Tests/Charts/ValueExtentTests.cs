using Microsoft.ML.Hdrq.Tool.Charts;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class ValueExtentTests
{
    [TestMethod]
    // Room for 20 pixels above 60 is there.
    [DataRow(0.0, 60.0, 0.0, 20.0, 0.0, 100.0, 0.0, 100.0)]
    // 100 needs 20 of 120 pixels above it: a pixel is one unit.
    [DataRow(0.0, 100.0, 0.0, 20.0, 0.0, 100.0, 0.0, 120.0)]
    [DataRow(-50.0, 50.0, 10.0, 10.0, double.PositiveInfinity, double.NegativeInfinity, -60.0, 60.0)]
    [DataRow(7.0, 7.0, 0.0, 0.0, double.PositiveInfinity, double.NegativeInfinity, 7.0, 8.0)]
    public void The_axis_has_room_around_the_values(
        double smallest, double largest, double below, double above, double low, double high, double expectedLow,
        double expectedHigh)
    {
        var (actualLow, actualHigh) = new ValueExtent(smallest, largest, below, above).Fit(low, high, 120);
        Assert.AreEqual(expectedLow, actualLow, 1e-9);
        Assert.AreEqual(expectedHigh, actualHigh, 1e-9);
    }
}
