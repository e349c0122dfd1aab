
namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>The engine that computes scores.</summary>
public enum ScoringEngineKind
{
    /// <summary>
    /// The fastest engine that gives the network's own scores: ONNX Runtime on a CPU for networks in full precision and
    /// for quantized networks that compute on integers throughout
    /// (<see cref="Quantization.QuantizerPlacement.Integer"/>); Torch on GPUs, and for all other networks.
    /// </summary>
    Automatic,

    /// <summary>
    /// Torch, on the device of the network. Quantized networks are simulated: in floating point, on the grid of the
    /// integers.
    /// </summary>
    Torch,

    /// <summary>ONNX Runtime, on the CPU. It computes as much of a quantized network on integers as it can.</summary>
    OnnxRuntime,
}
