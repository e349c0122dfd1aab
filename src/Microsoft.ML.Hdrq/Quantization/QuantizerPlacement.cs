namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The values of a network that are quantized.</summary>
public enum QuantizerPlacement
{
    /// <summary>
    /// Everything that integer hardware computes on: the values that <see cref="Paper"/> quantizes, and with 8 bits the
    /// input of the network, the branches of additions and concatenations, the inputs and outputs of pooling, and the
    /// scores. The simulation then computes what an integer runtime computes.
    /// </summary>
    Integer,

    /// <summary>
    /// The values that the paper quantizes: weights, and the inputs of weighted layers and of products of two
    /// activations (attention), except the network's input. The value between the last convolution of a residual block
    /// and the addition, and the scores, stay in floating point.
    /// </summary>
    Paper,
}
