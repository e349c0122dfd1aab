using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// How HDRQ trains a block (section 3 of the paper). The loss is the squared difference of the block's output, plus
/// <c>gamma sum ||W - W0||</c> for the source's weights W0, plus the same term with another gamma for the network's own
/// weights.
/// </summary>
public sealed record HdrqTraining : BlockTraining
{
    // Beside a loss of outputs in single precision, more than this leaves nothing of it.
    private const double MaxWeight = 1e6;

    /// <summary>The settings of the paper and its public code.</summary>
    internal static HdrqTraining Paper { get; } =
        WithPaperSettings(new HdrqTraining { WeightLearningRate = 1e-4, DriftWeight = 0, TrainBiases = false });

    /// <summary>
    /// The learning rate of weights, their scales and, if they are trained, biases; positive, 0.0002 by default.
    /// </summary>
    public double WeightLearningRate { get; init; } = 2e-4;

    /// <summary>
    /// Gamma, the weight of the distance to the source network, from 0 to 1,000,000; 0.05 by default.
    /// </summary>
    public double DistanceWeight { get; init; } = 5e-2;

    /// <summary>
    /// The weight of the distance to the network's own weights in full precision, 0 to 1,000,000; 0.1 by default. It
    /// bounds how far training moves the weights: the calibration images of one domain say little about changes that
    /// suit another domain. The mean of quantized networks then stays near the mean of the networks. The paper has no
    /// such term. Compare L2-SP (Li et al., ICML 2018).
    /// </summary>
    public double DriftWeight { get; init; } = 0.1;

    /// <summary>
    /// The probability that an element is left unquantized while a block is trained, from 0 (no mixing) to below 1; 0.5
    /// by default.
    /// </summary>
    public double DropProbability { get; init; } = 0.5;

    /// <summary>Whether biases are trained with the weights; true by default. The paper keeps them fixed.</summary>
    public bool TrainBiases { get; init; } = true;

    /// <summary>
    /// Whether noise replaces rounding while a block is trained, instead of rounding with straight-through gradients;
    /// true by default.
    /// </summary>
    public bool UseNoise { get; init; } = true;

    internal override WeightTraining Weights => UseNoise ? WeightTraining.Noise : WeightTraining.Nearest;

    internal override double WeightRate => WeightLearningRate;

    internal override bool LearnsBiases => TrainBiases;

    internal override double MixingProbability => DropProbability;

    internal override double SourceDistanceWeight => DistanceWeight;

    internal override double OwnDistanceWeight => DriftWeight;

    internal override void Check()
    {
        base.Check();
        OptionCheck.LearningRate(InGroup(nameof(WeightLearningRate)), WeightLearningRate);
        OptionCheck.Range(InGroup(nameof(DistanceWeight)), DistanceWeight, 0, MaxWeight, "from 0 to 1000000");
        OptionCheck.Range(InGroup(nameof(DriftWeight)), DriftWeight, 0, MaxWeight, "from 0 to 1000000");
        CheckProbability(nameof(DropProbability), DropProbability);
    }
}
