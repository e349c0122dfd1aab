namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// AdaRound: the direction in which each weight is rounded is learned, layer by layer, and so are the scales of activations
/// (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020).
/// </summary>
public sealed record AdaRoundOptions : QuantizationOptions
{
    /// <summary>
    /// The settings with which the paper of HDRQ compares methods: quantizers where it puts them, one scale for a weight
    /// and each network's own, no Gram matrices, 20,000 steps a layer.
    /// </summary>
    public static AdaRoundOptions Paper { get; } = WithPaperSettings(new AdaRoundOptions { Training = RoundingTraining.Paper });

    /// <summary>How layers are trained; its iterations are those of each layer.</summary>
    public RoundingTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training with { IsLayerByLayer = true };

    private protected override string TrainedMethod => "AdaRound";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
