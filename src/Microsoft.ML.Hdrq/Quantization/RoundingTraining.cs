namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How AdaRound and BRECQ learn rounding directions, at AdaRound's rate of 0.001.</summary>
public sealed record RoundingTraining : BlockTraining
{
    /// <summary>The settings that the HDRQ paper uses to compare methods.</summary>
    internal static RoundingTraining Paper { get; } = WithPaperSettings(new RoundingTraining());

    internal override WeightTraining Weights => WeightTraining.Adaptive;

    internal override double WeightRate => LearningRate;

    /// <summary>
    /// The learning rate of rounding directions. It is not a public option: AdaRound's own rate suits all networks.
    /// </summary>
    internal double LearningRate { get; init; } = AdaptiveRounding.LearningRate;
}
