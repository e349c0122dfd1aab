
namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a network is written as ONNX.</summary>
public sealed record OnnxSaveOptions
{
    /// <summary>
    /// The opset to write, 9 to 24. Null, the default, chooses the oldest opset from 13 that can express the network,
    /// which most runtimes can read. Weights of at most 4 bits have their own element types only since opset 21, which
    /// is then the default. An older opset, such as 13, stores each of them in a byte, for readers that do not know
    /// opset 21. The scores and ONNX Runtime's kernels are the same.
    /// </summary>
    public int? Opset { get; init; }

    /// <summary>
    /// The name of a file beside the model for all tensors of at least 1,024 bytes, for models beyond the 2 GB limit of
    /// an ONNX file. Null, the default, stores everything in one file. Only for saving to a path.
    /// </summary>
    public string? ExternalDataFile { get; init; }

    /// <summary>
    /// Whether quantized 8-bit weights of the full range, -128 to 127, are written as signed integers. False, the
    /// default, writes them as unsigned integers with zero point 128, with which ONNX Runtime is exact on every CPU.
    /// Signed weights are more than twice as fast on CPUs with VNNI (Intel since Ice Lake, AMD since Zen 4), and exact
    /// there and on Arm; on other x86 CPUs ONNX Runtime computes <b>wrong scores</b> with them. Weights that are exact
    /// everywhere are always signed: those of the range -64 to 64, which 8 bits have by default
    /// (<c>QuantizationOptions.ReduceRange</c>), weights of at most 7 bits, and weights of a layer in which twice the
    /// activation's largest integer times the largest magnitude of the weight's integers is at most 32,767, as with
    /// activations of at most 7 bits.
    /// </summary>
    public bool SignedWeights { get; init; }

    /// <summary>
    /// Whether weights of at most 4 bits are written as initializers, as the standard specifies and tools expect.
    /// False, the default, writes them as <c>Constant</c> nodes, because ML.NET's <c>OnnxTransformer</c> does not
    /// accept 4-bit initializers. ONNX Runtime treats both alike.
    /// </summary>
    public bool FourBitInitializers { get; init; }

    /// <summary>
    /// Whether linear layers (<c>MatMul</c> with a quantized weight, as transformers have) keep their integer weights
    /// and compute in floating point: weights in blocks of up to 128 inputs, for ONNX Runtime's kernel
    /// <c>MatMulNBits</c>, and activations and their products not rounded. Convolutions stay integer layers. Scores are no
    /// longer those that the network was trained to give on its integers, but nearer to those in full precision. For
    /// activations that 8 bits do not hold well, and for machines on which integer layers are slow; on a CPU with VNNI
    /// the default, weights and activations as integers, is about twice as fast. Needs opset 21; a network without such
    /// layers is refused.
    /// </summary>
    public bool WeightOnlyProducts { get; init; }

    /// <summary>
    /// Whether a network in full precision is written in half precision (<c>float16</c>): its input, output, weights
    /// and what is computed. False, the default, writes single precision. Files in half precision are read as networks in
    /// single precision, so a network that came in half precision leaves so only if this is true. Quantized networks
    /// are refused: their files hold integers.
    /// </summary>
    public bool HalfPrecision { get; init; }

    /// <summary>
    /// Metadata of the file by name, added to <see cref="Networks.Network.Metadata"/>; for the same name, this value
    /// replaces the network's. Other tools show it; <c>Network.ReadOnnxMetadata</c> reads it. Null, the default, adds
    /// nothing.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}
