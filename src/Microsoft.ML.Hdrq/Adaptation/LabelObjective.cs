using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Learns labels: the cross-entropy of each image, or of each pixel.</summary>
internal sealed class LabelObjective : TrainingObjective
{
    private readonly torch.Tensor? _classWeights;
    private readonly int _ignoredLabel;

    /// <summary>Takes labels.</summary>
    /// <param name="labels">Zero-based classes; the caller keeps them.</param>
    /// <param name="options">The training options.</param>
    /// <param name="ignoredLabel">The mask value of pixels that training ignores.</param>
    /// <param name="device">The device to compute on.</param>
    public LabelObjective(torch.Tensor labels, AdaptationOptions options, int ignoredLabel, torch.Device device)
    {
        Labels = labels;
        _ignoredLabel = ignoredLabel;
        _classWeights = options.ClassWeights is { } weights
            ? torch.tensor(weights.ToArray(), device: device).DetachFromDisposeScope()
            : null;
        Mode = options.UpdateStatistics ? ForwardMode.Training : ForwardMode.Gradient;
    }

    public override torch.Tensor Labels { get; }

    public override ForwardMode Mode { get; }

    public override torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout)
    {
        var targets = batch.Labels!;
        // A crop without any class has nothing to learn from.
        if (targets.dim() > 1 && !targets.ne(Scalars.Keep(_ignoredLabel)).any().item<bool>())
            return null;
        var scores = network.Forward(batch.Images, mode, dropout);
        if (!scores.shape.AsSpan(2).SequenceEqual(targets.shape.AsSpan(1)))
        {
            throw new InvalidOperationException(
                $"The network gives scores of shape {TensorShape.Describe(scores.shape)} for labels of shape "
                + $"{TensorShape.Describe(targets.shape)}; a score is needed for each label, so a network that "
                + "classifies pixels must resize its scores to the size of the images.");
        }
        return torch.nn.functional.cross_entropy(scores, targets, _classWeights, _ignoredLabel);
    }

    public override void Dispose()
    {
        _classWeights?.Dispose();
        base.Dispose();
    }
}
