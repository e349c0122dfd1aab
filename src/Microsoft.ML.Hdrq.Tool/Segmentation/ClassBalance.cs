using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>
/// Weights by which rare classes count more in training: without them a small network does not learn to see posts and
/// people.
/// </summary>
internal static class ClassBalance
{
    /// <summary>No class counts more than this many times the average pixel.</summary>
    private const double Most = 5;

    /// <summary>
    /// One over the square root of each class's share of the pixels, times what makes the average pixel count 1;
    /// classes that are not there count 1.
    /// </summary>
    /// <param name="masks">The masks.</param>
    /// <param name="classes">The number of classes; other values are no class.</param>
    public static IReadOnlyList<float> Weights(IEnumerable<VBuffer<byte>> masks, int classes)
    {
        var counts = new long[classes];
        foreach (var mask in masks)
        {
            foreach (var value in mask.DenseValues())
            {
                if (value < classes)
                    counts[value]++;
            }
        }
        var total = (double)counts.Sum();
        // The mean over pixels of 1 / sqrt(share) is the sum of the shares' roots.
        var mean = counts.Sum(count => Math.Sqrt(count / total));
        return [.. counts.Select(count => count == 0 ? 1 : (float)Math.Min(Most, Math.Sqrt(total / count) / mean))];
    }
}
