namespace ImageClassificationMerge.Training;

/// <summary>How the sample trains a source network: SGD with momentum, the learning rate falling to 0 along a cosine.</summary>
internal sealed record TrainingOptions
{
    public int Epochs { get; init; } = 8;

    public int BatchSize { get; init; } = 64;

    public double LearningRate { get; init; } = 0.1;

    public double Momentum { get; init; } = 0.9;

    public double WeightDecay { get; init; } = 5e-4;

    /// <summary>Pixels by which images are shifted at random, at most, in each direction.</summary>
    public int Shift { get; init; } = 2;
}
