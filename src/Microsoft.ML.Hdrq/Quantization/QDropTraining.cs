namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How QDrop learns rounding directions, at AdaRound's rate of 0.001.</summary>
public sealed record QDropTraining : BlockTraining
{
    /// <summary>The settings that the HDRQ paper uses to compare methods.</summary>
    internal static QDropTraining Paper { get; } = WithPaperSettings(new QDropTraining());

    /// <summary>
    /// The probability that an element is left unquantized while a block is trained, from 0 (which is BRECQ) to below
    /// 1; 0.5 by default.
    /// </summary>
    public double DropProbability { get; init; } = 0.5;

    internal override WeightTraining Weights => WeightTraining.Adaptive;

    internal override double WeightRate => AdaptiveRounding.LearningRate;

    internal override double MixingProbability => DropProbability;

    internal override void Check()
    {
        base.Check();
        CheckProbability(nameof(DropProbability), DropProbability);
    }
}
