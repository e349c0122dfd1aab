namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How weights become integers. All methods but the first train the network part by part on calibration images; they share one training loop.</summary>
public enum QuantizationMethod
{
    /// <summary>RTN: ranges are chosen, and every weight goes to its nearest integer. Nothing is trained.</summary>
    RoundToNearest,

    /// <summary>
    /// The direction in which each weight is rounded is learned, layer by layer, and so are the scales of activations (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020).
    /// </summary>
    AdaRound,

    /// <summary>As <see cref="AdaRound"/>, but block by block (Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction", ICLR 2021).</summary>
    Brecq,

    /// <summary>As <see cref="Brecq"/>, with activations that are left unquantized at random (Wei et al., "QDrop: Randomly Dropping Quantization for Extremely Low-bit Post-Training Quantization", ICLR 2022).</summary>
    QDrop,

    /// <summary>
    /// Weights and their scales are learned, with noise in place of rounding and a term for the distance to the source network, so that networks can be merged (Shin, Seok, Kim, Park, "Merge-Friendly
    /// Post-Training Quantization for Multi-Target Domain Adaptation", ICML 2025).
    /// </summary>
    Hdrq,
}
