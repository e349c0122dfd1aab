namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>What is learned of a block's weights while it is reconstructed.</summary>
internal enum WeightTraining
{
    /// <summary>The weights and their scales, with noise in place of rounding until the last steps: HDRQ.</summary>
    Noise,

    /// <summary>The weights and their scales, rounded to nearest.</summary>
    Nearest,

    /// <summary>The direction in which each weight is rounded, see <see cref="AdaptiveRounding"/>: AdaRound, BRECQ and QDrop.</summary>
    Adaptive,
}
