using Microsoft.ML.Hdrq.Analysis;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>How uncertain a difference of losses is.</summary>
[TestClass]
public sealed class PairedDifferenceTests
{
    [TestMethod]
    public void With_equal_weights_it_is_the_deviation_by_the_root_of_the_number()
    {
        var difference = new PairedDifference();
        difference.Add([new(1.5, 1, 1), new(4, 0, 1)], [new(0.5, 1, 1), new(2, 0, 1)]);
        difference.Add([new(10, 0, 1)], [new(4, 1, 1)]);
        // Differences 1, 2 and 6: mean 3, squares 4 + 1 + 9, so sqrt(14 / 2) / sqrt(3).
        Assert.AreEqual(Math.Sqrt(7.0 / 3), difference.StandardError, 1e-12);
        Assert.AreEqual(3, difference.Count);
    }

    [TestMethod]
    public void Images_weigh_by_their_labelled_pixels()
    {
        var difference = new PairedDifference();
        difference.Add([new(3, 0, 1), new(8, 2, 3)], [new(2, 0, 1), new(2, 2, 3)]);
        // Sums 1 and 6 of 1 and 3 pixels: mean 7 / 4, so the sums are off by -3/4 and 3/4; sqrt(2 (9/16 + 9/16)) / 4.
        Assert.AreEqual(0.375, difference.StandardError, 1e-12);
    }

    [TestMethod]
    public void Equal_differences_have_no_error_and_one_image_has_none_that_is_known()
    {
        var difference = new PairedDifference();
        Assert.AreEqual(double.NaN, difference.StandardError);
        difference.Add([new(0.3, 0, 1)], [new(0.1, 0, 1)]);
        Assert.AreEqual(double.NaN, difference.StandardError);
        difference.Add([new(0.5, 0, 1), new(0.6, 0, 2)], [new(0.3, 0, 1), new(0.2, 0, 2)]);
        Assert.AreEqual(0, difference.StandardError, 1e-8);
    }
}
