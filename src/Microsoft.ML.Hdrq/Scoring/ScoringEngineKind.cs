
namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>What computes scores.</summary>
public enum ScoringEngineKind
{
    /// <summary>
    /// The fastest that gives the network's own scores: on a CPU ONNX Runtime, for networks in full precision and for quantized ones that compute on integers throughout
    /// (<see cref="Quantization.QuantizerPlacement.Integer"/>); Torch on GPUs, and for all others.
    /// </summary>
    Automatic,

    /// <summary>Torch, on the device of the network. Quantized networks are simulated: in floating point, on the grid of the integers.</summary>
    Torch,

    /// <summary>ONNX Runtime, on the CPU. Of quantized networks it computes on integers what it can.</summary>
    OnnxRuntime,
}
