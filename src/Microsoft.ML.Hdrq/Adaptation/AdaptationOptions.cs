using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How a network is adapted. The defaults are those for a network that has been trained well on images of another domain.</summary>
public sealed record AdaptationOptions
{
    /// <summary>
    /// How much each class counts, in the order of the scores, all positive: the mean of the cross-entropy becomes one
    /// weighted by the pixels' or images' classes. Null, the default, for all alike.
    /// </summary>
    public IReadOnlyList<float>? ClassWeights { get; init; }

    /// <summary>Passes over the rows, at least 1; 6 by default.</summary>
    public int Epochs { get; init; } = 6;

    /// <summary>Rows in a step, at least 1; 64 by default.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>The rule by which weights change; <see cref="FineTuningOptimizer.Sgd"/> by default.</summary>
    public FineTuningOptimizer Optimizer { get; init; } = FineTuningOptimizer.Sgd;

    /// <summary>The learning rate at the start, positive; it falls to 0 along a cosine. 0.001 by default.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The momentum of <see cref="FineTuningOptimizer.Sgd"/>, from 0 to below 1; 0.9 by default.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>The weight decay, not negative; 0.0001 by default.</summary>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>
    /// Whether batch normalization uses the statistics of the batch and updates the running ones, as a network that is
    /// trained from the beginning needs. False, the default, keeps the statistics.
    /// </summary>
    public bool UpdateStatistics { get; init; }

    /// <summary>Pixels by which an image, with its mask, is shifted at random, at most, in each direction, not negative; what comes in is mirrored. 2 by default.</summary>
    public int CropPadding { get; init; } = 2;

    /// <summary>
    /// Side of the square that is cut out of an image and its mask at random for every step, in pixels, at least 1; where an
    /// image is lower or narrower, all of it is taken. Null, the default, for whole images. The network must take images of
    /// any size.
    /// </summary>
    public int? CropSize { get; init; }

    /// <summary>Whether half of the images, with their masks, are mirrored, left and right exchanged; true by default. Not for text and signs.</summary>
    public bool HorizontalFlip { get; init; } = true;

    /// <summary>
    /// Whether the adapted network carries the Gram matrices of its layers' inputs, as a few numbers for each input, so that
    /// networks that are merged in full precision are merged by RegMean, see <see cref="InputGrams"/>; true by default.
    /// </summary>
    public bool KeepInputGrams { get; init; } = true;

    /// <summary>Told of every step, on the thread that trains; null by default.</summary>
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
