namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How a block is reconstructed: section 3 of the paper and the settings of its public code.</summary>
internal sealed record ReconstructionSettings
{
    /// <summary>Steps for each block.</summary>
    public int Iterations { get; init; } = 500;

    /// <summary>Images in a step.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>The most bytes of activations between blocks in memory; more are kept in files.</summary>
    public long CacheMemory { get; init; } = 2L << 30;

    /// <summary>The folder of the files.</summary>
    public string CacheDirectory { get; init; } = Path.GetTempPath();

    /// <summary>Learning rate of weights and their scales.</summary>
    public double WeightLearningRate { get; init; } = 1e-4;

    /// <summary>Learning rate of the scales of activations.</summary>
    public double ActivationScaleLearningRate { get; init; } = 4e-5;

    /// <summary>Weight of the distance to the source network, gamma.</summary>
    public double DistanceWeight { get; init; } = 5e-2;

    /// <summary>Weight of the distance to the network's own weights in full precision.</summary>
    public double DriftWeight { get; init; }

    /// <summary>Share of the iterations in which the learning rate of weights rises, and, at the end, in which there is rounding instead of noise.</summary>
    public double WarmUp { get; init; } = 0.2;

    /// <summary>Probability that an element of the block's input or of an activation in it is not quantized.</summary>
    public double DropProbability { get; init; } = 0.5;

    /// <summary>What is learned of weights. With noise, activations have it too.</summary>
    public WeightTraining Weights { get; init; } = WeightTraining.Noise;

    /// <summary>Whether layers are trained one by one, and not blocks as a whole.</summary>
    public bool IsLayerByLayer { get; init; }

    /// <summary>Whether the biases of quantized layers are learned with their weights, at the same rate. They have no rounding error of their own, and merge without any.</summary>
    public bool TrainBiases { get; init; }

    /// <summary>Learning rate of rounding directions.</summary>
    public double DirectionLearningRate { get; init; } = 1e-3;

    /// <summary>Weight of the term that decides rounding directions, after the warm-up.</summary>
    public double DirectionWeight { get; init; } = 1e-2;
}
