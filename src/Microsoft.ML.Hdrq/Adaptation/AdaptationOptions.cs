using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How a network is adapted. The defaults suit a well-trained network and images of another domain.</summary>
public sealed record AdaptationOptions
{
    /// <summary>
    /// The weight of each class in the loss, all positive, in the order of the scores: the cross-entropy becomes a mean
    /// that is weighted by the class of each pixel or image. Null, the default, weights all classes alike.
    /// </summary>
    public IReadOnlyList<float>? ClassWeights { get; init; }

    /// <summary>The number of passes over the rows, at least 1; 6 by default.</summary>
    public int Epochs { get; init; } = 6;

    /// <summary>The number of rows in a step, at least 1; 64 by default.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>The rule that updates the weights; <see cref="FineTuningOptimizer.Sgd"/> by default.</summary>
    public FineTuningOptimizer Optimizer { get; init; } = FineTuningOptimizer.Sgd;

    /// <summary>The initial learning rate, positive; it falls to 0 along a cosine. 0.001 by default.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The momentum of <see cref="FineTuningOptimizer.Sgd"/>, from 0 to below 1; 0.9 by default.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>The weight decay, not negative; 0.0001 by default.</summary>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>
    /// Whether batch normalization uses the statistics of the batch and updates the running statistics, as training
    /// from scratch needs. False, the default, keeps the running statistics.
    /// </summary>
    public bool UpdateStatistics { get; init; }

    /// <summary>
    /// The largest random shift of an image and its mask in each direction, in pixels, not negative; the border is
    /// filled by mirroring. 2 by default.
    /// </summary>
    public int CropPadding { get; init; } = 2;

    /// <summary>
    /// The side in pixels, at least 1, of the square that is cut out of each image and its mask at random in every
    /// step. An image that is lower or narrower is taken whole in that dimension. Null, the default, takes whole
    /// images. The network must accept images of any size.
    /// </summary>
    public int? CropSize { get; init; }

    /// <summary>
    /// Whether a random half of the images, with their masks, is flipped left to right; true by default. Not for text
    /// and signs.
    /// </summary>
    public bool HorizontalFlip { get; init; } = true;

    /// <summary>
    /// Whether the adapted network carries the Gram matrices of its layers' inputs, as a few values for each input in
    /// <see cref="Network.Metadata"/>, so that networks merged in full precision can be merged by RegMean; true by
    /// default. They are second moments of the images and their activations; no image can be recovered from them.
    /// </summary>
    public bool KeepInputGrams { get; init; } = true;

    /// <summary>Receives a report after every step, on the training thread; null by default.</summary>
    public IProgress<FineTuningProgress>? Progress { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(nameof(Epochs), Epochs, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(nameof(LearningRate), LearningRate, double.Epsilon, double.MaxValue, "positive");
        OptionCheck.Range(nameof(Momentum), Momentum, 0, Math.BitDecrement(1.0), "from 0 to below 1");
        OptionCheck.Range(nameof(WeightDecay), WeightDecay, 0, double.MaxValue, "not negative");
        OptionCheck.Range(nameof(CropPadding), CropPadding, 0, int.MaxValue, "not negative");
        OptionCheck.Range(nameof(CropSize), CropSize ?? 1, 1, int.MaxValue, "null or at least 1");
        foreach (var weight in ClassWeights ?? [])
            OptionCheck.Range(nameof(ClassWeights), weight, float.Epsilon, float.MaxValue, "positive for every class");
        OptionCheck.Defined(nameof(Optimizer), Optimizer, "an optimizer");
    }
}
