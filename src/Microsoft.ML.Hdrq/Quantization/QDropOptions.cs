namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// QDrop: like <see cref="BrecqOptions">BRECQ</see>, but leaves random elements of activations unquantized (Wei et al.,
/// "QDrop: Randomly Dropping Quantization for Extremely Low-bit Post-Training Quantization", ICLR 2022).
/// </summary>
public sealed record QDropOptions : QuantizationOptions
{
    /// <summary>
    /// The settings that the HDRQ paper uses to compare methods: its quantizer placement, per-tensor weight scales from
    /// each network's own weights, no Gram matrices, 20,000 steps for each block.
    /// </summary>
    public static QDropOptions Paper { get; } = WithPaperSettings(new QDropOptions { Training = QDropTraining.Paper });

    /// <summary>How blocks are trained.</summary>
    public QDropTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training;

    // With a drop probability of 0, QDrop is BRECQ.
    private protected override string TrainedMethod => Training.DropProbability > 0 ? "QDrop" : "BRECQ";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
