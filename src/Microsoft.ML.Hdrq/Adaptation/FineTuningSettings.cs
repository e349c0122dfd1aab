using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How a network is fine-tuned; the learning rate falls to 0 along a cosine.</summary>
internal sealed record FineTuningSettings
{
    public int Epochs { get; init; } = 6;

    public int BatchSize { get; init; } = 64;

    public FineTuningOptimizer Optimizer { get; init; } = FineTuningOptimizer.Sgd;

    public double LearningRate { get; init; } = 1e-3;

    public double Momentum { get; init; } = 0.9;

    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>Whether batch normalization uses the statistics of the batch, and updates the running ones.</summary>
    public bool UpdateStatistics { get; init; }

    /// <summary>The label of pixels that have no part in training.</summary>
    public int IgnoredLabel { get; init; } = 255;

    /// <summary>How much each class counts; empty for all alike.</summary>
    public ImmutableArray<float> ClassWeights { get; init; } = [];

    /// <summary>Pixels by which an image is shifted at random, at most, in each direction; what comes in is mirrored.</summary>
    public int CropPadding { get; init; } = 2;

    /// <summary>Side of the square that is cut out of each image at random; null for whole images.</summary>
    public int? CropSize { get; init; }

    /// <summary>Whether half of the images are mirrored, left and right exchanged.</summary>
    public bool HorizontalFlip { get; init; } = true;
}
