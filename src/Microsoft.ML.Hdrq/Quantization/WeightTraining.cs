namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>What is learned of a block's weights in its reconstruction.</summary>
internal enum WeightTraining
{
    /// <summary>The weights and their scales, with noise instead of rounding until the last steps: HDRQ.</summary>
    Noise,

    /// <summary>The weights and their scales, rounded to nearest.</summary>
    Nearest,

    /// <summary>
    /// The rounding direction of each weight, see <see cref="AdaptiveRounding"/>: AdaRound, BRECQ and QDrop.
    /// </summary>
    Adaptive,
}
