namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Which values of a network are quantized.</summary>
public enum QuantizerPlacement
{
    /// <summary>
    /// Everything that integer hardware computes on: what <see cref="Paper"/> quantizes, and with 8 bits the input of the network, the branches of additions and
    /// concatenations, what goes into and out of pooling, and the scores. The simulation then computes what an integer runtime computes.
    /// </summary>
    Integer,

    /// <summary>
    /// What the paper quantizes: weights, and the values that feed weighted layers or products of two activations (attention), except the network's input. The value between the last convolution of a residual block
    /// and the addition, and the scores, stay in floating point.
    /// </summary>
    Paper,
}
