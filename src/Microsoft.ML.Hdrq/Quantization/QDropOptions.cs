namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// QDrop: as <see cref="BrecqOptions">BRECQ</see>, with activations that are left unquantized at random (Wei et al., "QDrop:
/// Randomly Dropping Quantization for Extremely Low-bit Post-Training Quantization", ICLR 2022).
/// </summary>
public sealed record QDropOptions : QuantizationOptions
{
    /// <summary>
    /// The settings with which the paper of HDRQ compares methods: quantizers where it puts them, one scale for a weight
    /// and each network's own, no Gram matrices, 20,000 steps a block.
    /// </summary>
    public static QDropOptions Paper { get; } = WithPaperSettings(new QDropOptions { Training = QDropTraining.Paper });

    /// <summary>How blocks are trained.</summary>
    public QDropTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training;

    // Where nothing is left unquantized, the two methods are one.
    private protected override string TrainedMethod => Training.DropProbability > 0 ? "QDrop" : "BRECQ";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
