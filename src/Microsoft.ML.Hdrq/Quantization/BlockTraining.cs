using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// How the parts of a network (blocks or layers) are trained one after another, so that their quantized outputs match
/// their full-precision outputs. These are the options shared by all methods that train.
/// </summary>
public abstract record BlockTraining
{
    /// <summary>The number of images in a step in the paper.</summary>
    internal const int PaperBatchSize = 32;

    private protected BlockTraining()
    {
    }

    /// <summary>
    /// The number of steps for each block (AdaRound: for each layer), not negative; 0 rounds to nearest without
    /// training. 1,000 by default.
    /// </summary>
    public int Iterations { get; init; } = 1000;

    /// <summary>The number of images in a step, from 1 to 65,536; 16 by default.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>The learning rate of the scales of activations, above 0, at most 1,000; 0.00008 by default.</summary>
    public double ActivationScaleLearningRate { get; init; } = 8e-5;

    /// <summary>
    /// The warm-up share of the steps, from 0 to 0.5; 0.2 by default. HDRQ: the share in which the learning rate rises
    /// at the start, and the share at the end that uses rounding instead of noise. AdaRound, BRECQ and QDrop: the share
    /// before rounding directions are driven to one side.
    /// </summary>
    public double WarmUp { get; init; } = 0.2;

    /// <summary>Whether layers are trained one by one instead of whole blocks.</summary>
    internal bool IsLayerByLayer { get; init; }

    /// <summary>What is learned of weights. If weights are trained with noise, so are activations.</summary>
    internal abstract WeightTraining Weights { get; }

    /// <summary>The learning rate for what is learned of weights.</summary>
    internal abstract double WeightRate { get; }

    /// <summary>
    /// Whether the biases of quantized layers are learned with their weights, at the same rate. Biases have no rounding
    /// error of their own and are merged without any.
    /// </summary>
    internal virtual bool LearnsBiases => false;

    /// <summary>
    /// The probability that an element of the block's input, or of an activation in it, is not quantized.
    /// </summary>
    internal virtual double MixingProbability => 0;

    /// <summary>The weight of the distance to the source network; 0 for none.</summary>
    internal virtual double SourceDistanceWeight => 0;

    /// <summary>The weight of the distance to the network's own weights in full precision; 0 for none.</summary>
    internal virtual double OwnDistanceWeight => 0;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal virtual void Check()
    {
        OptionCheck.Count(InGroup(nameof(Iterations)), Iterations, 0);
        OptionCheck.BatchSize(InGroup(nameof(BatchSize)), BatchSize);
        OptionCheck.LearningRate(InGroup(nameof(ActivationScaleLearningRate)), ActivationScaleLearningRate);
        OptionCheck.Range(InGroup(nameof(WarmUp)), WarmUp, 0, 0.5, "from 0 to 0.5");
    }

    /// <summary>The name of an option in messages.</summary>
    private protected static string InGroup(string option) => $"Training.{option}";

    /// <summary>Checks the probability of methods that mix.</summary>
    /// <inheritdoc cref="Check" path="/exception"/>
    private protected static void CheckProbability(string option, double probability) =>
        OptionCheck.Range(InGroup(option), probability, 0, Math.BitDecrement(1.0), "from 0 to below 1");

    /// <summary>Applies the training settings that all methods have in the paper.</summary>
    private protected static T WithPaperSettings<T>(T training) where T : BlockTraining =>
        (T)(training with { Iterations = 20_000, BatchSize = PaperBatchSize, ActivationScaleLearningRate = 4e-5 });
}
