namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How a network is quantized.</summary>
internal sealed record QuantizationSettings
{
    public int WeightBits { get; init; } = 8;

    public int ActivationBits { get; init; } = 8;

    public QuantizerPlacement Placement { get; init; } = QuantizerPlacement.Integer;

    public IReadOnlyList<LayerOverride> Overrides { get; init; } = [];

    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>Whether scales of weights are those of the source network's weights, where a source is given.</summary>
    public bool UseSourceScales { get; init; }

    /// <summary>Whether biases are corrected in the end, see <see cref="BiasCorrection"/>.</summary>
    public bool CorrectBiases { get; init; }

    /// <summary>Whether the network is given the Gram matrices of its layers' inputs.</summary>
    public bool KeepInputGrams { get; init; }

    /// <summary>How blocks are trained; null for rounding to nearest.</summary>
    public ReconstructionSettings? Reconstruction { get; init; } = new();

    /// <summary>What the field calls it.</summary>
    public string Method => Reconstruction switch
    {
        null or { Iterations: 0 } => "RTN",
        { Weights: WeightTraining.Noise } => "HDRQ",
        { Weights: WeightTraining.Nearest } => "STE",
        { IsLayerByLayer: true } => "AdaRound",
        { DropProbability: > 0 } => "QDrop",
        _ => "BRECQ",
    };

    /// <summary>Whether training measures a distance to the source network.</summary>
    public bool NeedsSource => Reconstruction is { Iterations: > 0, DistanceWeight: > 0, Weights: not WeightTraining.Adaptive };
}
