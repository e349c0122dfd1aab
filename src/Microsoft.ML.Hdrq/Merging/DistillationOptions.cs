using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Options of training a merged network on unlabelled images to give what each place's own network gives there
/// (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531). Weights, biases
/// and scales are trained by AdamW without weight decay, at a rate that falls to 0 along a cosine; quantized weights
/// and activations are rounded in every step.
/// </summary>
public sealed record DistillationOptions
{
    private const double StandardRate = 2e-4;

    private const double LongStepRate = 1e-3;

    private const int LongStepBits = 3;

    /// <summary>The number of steps, from 1 to 1,000,000; 300 by default.</summary>
    public int Steps { get; init; } = 300;

    /// <summary>
    /// The number of images of a step for each network, on average, from 1 to 1,024; 32 by default. Images of all
    /// places are mixed.
    /// </summary>
    public int ImagesPerNetwork { get; init; } = 32;

    /// <summary>
    /// The initial learning rate, above 0, at most 1,000. Null, the default, is 0.0002, and 0.001 where a layer's
    /// weights have at most 3 bits: the steps of such weights are long, and at the smaller rate few of them would come
    /// to another integer. Weights and steps of quantizers have a smaller one where they are small: no step of training
    /// moves them by more than 0.5 % of their root mean square.
    /// </summary>
    public double? LearningRate { get; init; }

    /// <summary>What scores are divided by before they become probabilities, from 0.1 to 100; 2 by default.</summary>
    public double Temperature { get; init; } = 2;

    /// <summary>
    /// Whether a random half of the images is flipped left to right; true by default. Not for text and signs.
    /// </summary>
    public bool HorizontalFlip { get; init; } = true;

    /// <summary>
    /// How much outputs at the other places count where a network is distilled at one place after another, 0 or above,
    /// at most 1,000,000; 3 by default: what is added to the loss for changing the outputs of all layers there by as
    /// much as they vary. Not used where the images of all places are at hand.
    /// </summary>
    public double HoldWeight { get; init; } = 3;

    /// <summary>Receives a report after every step, on the training thread; null by default.</summary>
    public IProgress<FineTuningProgress>? Progress { get; init; }

    /// <summary>
    /// The folder in which the state after the last finished pass over the images is kept; null, the default, keeps
    /// nothing. See <see cref="AdaptationOptions.CheckpointDirectory"/>.
    /// </summary>
    public string? CheckpointDirectory { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Count(nameof(Steps), Steps, 1, 1_000_000);
        OptionCheck.Count(nameof(ImagesPerNetwork), ImagesPerNetwork, 1, 1024);
        if (LearningRate is { } rate)
            OptionCheck.LearningRate(nameof(LearningRate), rate);
        OptionCheck.Range(nameof(Temperature), Temperature, 0.1, 100, "from 0.1 to 100");
        OptionCheck.Range(nameof(HoldWeight), HoldWeight, 0, 1e6, "from 0 to 1,000,000");
    }

    /// <summary>The options of the training loop, which counts passes over the images.</summary>
    /// <param name="merged">The merged network's graph.</param>
    /// <param name="networks">The number of networks.</param>
    /// <param name="images">The number of images of all places.</param>
    internal AdaptationOptions Training(Graph merged, int networks, long images)
    {
        var hasLongSteps = merged.Layers.All.Any(layer => layer.WeightBits <= LongStepBits);
        var batch = (int)Math.Min(Math.Min(images, 65_536), (long)networks * ImagesPerNetwork);
        var steps = (images + batch - 1) / batch;
        return new()
        {
            Epochs = (int)Math.Max(1, (Steps + steps - 1) / steps),
            BatchSize = batch,
            Optimizer = FineTuningOptimizer.AdamW,
            LearningRate = LearningRate ?? (hasLongSteps ? LongStepRate : StandardRate),
            WeightDecay = 0,
            CropPadding = 0,
            HorizontalFlip = HorizontalFlip,
            Progress = Progress,
            CheckpointDirectory = CheckpointDirectory,
        };
    }
}
