namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// BRECQ: like <see cref="AdaRoundOptions">AdaRound</see>, but block by block (Li et al., "BRECQ: Pushing the Limit of
/// Post-Training Quantization by Block Reconstruction", ICLR 2021).
/// </summary>
public sealed record BrecqOptions : QuantizationOptions
{
    /// <summary>
    /// The settings that the HDRQ paper uses to compare methods: its quantizer placement, per-tensor weight scales from
    /// each network's own weights, no Gram matrices, 20,000 steps for each block.
    /// </summary>
    public static BrecqOptions Paper { get; } =
        WithPaperSettings(new BrecqOptions { Training = RoundingTraining.Paper });

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
