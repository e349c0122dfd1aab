namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// AdaRound: learns the rounding direction of each weight, layer by layer, together with the scales of activations
/// (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020).
/// </summary>
public sealed record AdaRoundOptions : QuantizationOptions
{
    /// <summary>
    /// The settings that the HDRQ paper uses to compare methods: its quantizer placement, per-tensor weight scales from
    /// each network's own weights, no Gram matrices, 20,000 steps for each layer.
    /// </summary>
    public static AdaRoundOptions Paper { get; } =
        WithPaperSettings(new AdaRoundOptions { Training = RoundingTraining.Paper });

    /// <summary>How layers are trained; the iterations count for each layer.</summary>
    public RoundingTraining Training { get; init; } = new();

    private protected override BlockTraining? GivenTraining => Training with { IsLayerByLayer = true };

    private protected override string TrainedMethod => "AdaRound";

    internal override void Check()
    {
        base.Check();
        Check(Training);
    }
}
