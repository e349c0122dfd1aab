namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// BRECQ: as <see cref="AdaRoundOptions">AdaRound</see>, but block by block (Li et al., "BRECQ: Pushing the Limit of
/// Post-Training Quantization by Block Reconstruction", ICLR 2021).
/// </summary>
public sealed record BrecqOptions : QuantizationOptions
{
    /// <summary>
    /// The settings with which the paper of HDRQ compares methods: quantizers where it puts them, one scale for a weight
    /// and each network's own, no Gram matrices, 20,000 steps a block.
    /// </summary>
    public static BrecqOptions Paper { get; } = WithPaperSettings(new BrecqOptions { Training = RoundingTraining.Paper });

    /// <summary>How blocks are trained.</summary>
    public RoundingTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training;

    private protected override string TrainedMethod => "BRECQ";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
