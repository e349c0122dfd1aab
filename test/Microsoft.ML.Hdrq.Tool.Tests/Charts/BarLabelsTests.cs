using Microsoft.ML.Hdrq.Tool.Charts;
using OxyPlot.Annotations;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class BarLabelsTests
{
    // Open Sans: a digit takes 1171 of 2048 units, a full stop 545; "100.0" so 2.55 times the size of the font.
    private const double Widest = (4 * 1171 + 545) / 2048.0;

    [TestMethod]
    [DataRow(60.0, 14.0)]
    [DataRow(39.8, 14.0)]
    [DataRow(34.0, 30 / Widest)]
    [DataRow(29.6, 25.6 / Widest)]
    public void Labels_are_level_where_they_fit(double barWidth, double fontSize)
    {
        var label = Label(barWidth)!;
        Assert.AreEqual(0, label.TextRotation);
        Assert.AreEqual(fontSize, label.FontSize, 0.01);
    }

    [TestMethod]
    [DataRow(29.0, 14.0)]
    [DataRow(14.0, 12.6)]
    [DataRow(11.2, 10.08)]
    public void Labels_are_upended_where_they_do_not_fit(double barWidth, double fontSize)
    {
        var label = Label(barWidth)!;
        Assert.AreEqual(-90, label.TextRotation);
        Assert.AreEqual(fontSize, label.FontSize, 0.01);
        Assert.IsGreaterThan(Widest * fontSize, BarLabels.Fit(["1.0", "100.0"], barWidth)!.Length);
    }

    [TestMethod]
    public void Bars_too_narrow_for_numbers_have_none() => Assert.IsNull(BarLabels.Fit(["1.0", "100.0"], 11));

    private static TextAnnotation? Label(double barWidth) => BarLabels.Fit(["1.0", "100.0"], barWidth)?.At(0, 1, "1.0");
}
