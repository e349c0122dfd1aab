namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// HDRQ: learns weights and their scales block by block. Noise replaces rounding until the last steps and flattens the
/// loss. A term for the distance to the source network keeps all quantized networks near each other, so that they can
/// be merged (Shin, Seok, Kim, Park, "Merge-Friendly Post-Training Quantization for Multi-Target Domain Adaptation",
/// ICML 2025, arXiv 2505.23651).
/// </summary>
public sealed record HdrqOptions : QuantizationOptions
{
    /// <summary>
    /// The settings of the paper and its public code: their quantizer placement, per-tensor weight scales from each
    /// network's own weights, the full range of 8 bits, fixed biases, no Gram matrices, 20,000 steps for each block.
    /// Use it as <c>HdrqOptions.Paper with { WeightBits = 4, ActivationBits = 4 }</c>.
    /// </summary>
    public static HdrqOptions Paper { get; } = WithPaperSettings(new HdrqOptions { Training = HdrqTraining.Paper });

    /// <summary>How blocks are trained.</summary>
    public HdrqTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training;

    private protected override string TrainedMethod => Training.UseNoise ? "HDRQ" : "STE";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
