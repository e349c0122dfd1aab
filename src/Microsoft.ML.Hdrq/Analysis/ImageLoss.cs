namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>Cross-entropy and right answers of one image or of several, summed over what has a label.</summary>
/// <param name="Loss">The sum of the cross-entropies.</param>
/// <param name="Right">The number of right answers.</param>
/// <param name="Labels">
/// The number of labels: one for an image of one class, one for each labelled pixel otherwise.
/// </param>
internal readonly record struct ImageLoss(double Loss, long Right, long Labels)
{
    /// <summary>The mean cross-entropy and the accuracy.</summary>
    public (double Loss, double Accuracy) Mean => (Loss / Labels, (double)Right / Labels);

    /// <summary>All images together.</summary>
    public static ImageLoss Total(IEnumerable<ImageLoss> images) => images.Aggregate(
        default(ImageLoss),
        (sum, image) => new(sum.Loss + image.Loss, sum.Right + image.Right, sum.Labels + image.Labels));
}
