using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Losses that need no labels, of logits, [images, classes] or [images, classes, ...], in nats.
/// </summary>
internal static class UnlabelledLosses
{
    /// <summary>The mean entropy of the probabilities of each image or pixel: how undecided the network is.</summary>
    public static torch.Tensor MeanEntropy(torch.Tensor scores) =>
        SoftCrossEntropy(scores, scores.softmax(1));

    /// <summary>
    /// The entropy of the mean of all probabilities: how alike the classes are in number, as the network sees them.
    /// </summary>
    public static torch.Tensor Diversity(torch.Tensor scores)
    {
        var mean = scores.softmax(1).transpose(0, 1).flatten(1).mean([1]);
        return mean.mul(mean.clamp_min(Scalars.Keep(1e-8)).log()).sum().neg();
    }

    /// <summary>The mean cross-entropy of probabilities for those that are wanted.</summary>
    /// <param name="scores">Logits.</param>
    /// <param name="wanted">Probabilities of the same shape.</param>
    public static torch.Tensor SoftCrossEntropy(torch.Tensor scores, torch.Tensor wanted) =>
        scores.log_softmax(1).mul(wanted).sum(1).mean().neg();
}
