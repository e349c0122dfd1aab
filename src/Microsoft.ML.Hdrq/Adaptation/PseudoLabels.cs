using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Labels of images by the nearest centroid of their features (Liang, Hu and Feng, "Do We Really Need to Access the
/// Source Data?", ICML 2020).
/// </summary>
internal static class PseudoLabels
{
    /// <summary>
    /// Finds labels: the centroid of a class is the mean of all features, weighted by its probability, and an image
    /// is of the class whose centroid has the smallest angle to its features; then once more with these labels
    /// in place of probabilities.
    /// </summary>
    /// <param name="features">The features, [images, size].</param>
    /// <param name="probabilities">The probabilities, [images, classes].</param>
    /// <returns>Zero-based classes, [images], in the caller's scope.</returns>
    public static torch.Tensor Find(torch.Tensor features, torch.Tensor probabilities)
    {
        using var scope = torch.NewDisposeScope();
        var directions = Normalized(features);
        var labels = Nearest(directions, probabilities);
        var classes = probabilities.shape[1];
        return Nearest(directions, torch.nn.functional.one_hot(labels, classes).to(features.dtype))
            .MoveToOuterDisposeScope();
    }

    private static torch.Tensor Nearest(torch.Tensor directions, torch.Tensor shares)
    {
        // The length of a sum does not change its direction.
        var centroids = Normalized(shares.t().matmul(directions));
        // A class of no image has no centroid.
        var isEmpty = shares.sum(dim: 0).le(Scalars.Keep(0.0));
        return directions.matmul(centroids.t())
            .masked_fill(isEmpty.unsqueeze(0), Scalars.Keep(float.NegativeInfinity))
            .argmax(1);
    }

    private static torch.Tensor Normalized(torch.Tensor rows) =>
        torch.nn.functional.normalize(rows, p: 2, dim: 1);
}
