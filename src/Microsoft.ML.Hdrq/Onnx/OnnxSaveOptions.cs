
namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a network is written as ONNX.</summary>
public sealed record OnnxSaveOptions
{
    /// <summary>
    /// The opset to write, 9 to 21. Null, the default, is the oldest from 13 that can express the network: what most runtimes can read. Weights of 4 bits and fewer have a type of their own
    /// only since opset 21, which is then the default; an older one, such as 13, keeps each in a byte, for readers that know no later one. The scores and ONNX Runtime's kernels are the same.
    /// </summary>
    public int? Opset { get; init; }

    /// <summary>
    /// The name of a file beside the model into which the tensors of 1,024 bytes and more are written, for models beyond the 2 GB of an ONNX file.
    /// Null, the default, keeps everything in one file. Only for saving to a path.
    /// </summary>
    public string? ExternalDataFile { get; init; }

    /// <summary>
    /// Whether all quantized weights of 8 bits are written as signed integers. False, the default, writes them as unsigned ones with zero point 128, with which ONNX Runtime is exact on every
    /// CPU. Signed ones are more than twice as fast on CPUs with VNNI (Intel since Ice Lake, AMD since Zen 4), and exact there and on Arm; on other x86 CPUs ONNX Runtime computes
    /// <b>wrong scores</b> with them. Signed in any case are weights that are exact everywhere: of 7 bits and fewer, and those of a layer in which twice the greatest integer of the
    /// activation times the weight's of the greatest magnitude is at most 32,767, as with activations of 7 bits and fewer.
    /// </summary>
    public bool SignedWeights { get; init; }

    /// <summary>
    /// Whether weights of 4 bits and fewer are written as initializers, as the standard has it and tools expect. False, the default, writes them as <c>Constant</c> nodes, because
    /// ML.NET's <c>OnnxTransformer</c> takes no others; ONNX Runtime makes the same of both.
    /// </summary>
    public bool FourBitInitializers { get; init; }

    /// <summary>
    /// What the file says about itself, by name, besides <see cref="Networks.Network.Metadata"/> and, for the same name, in its place. Other tools show it; <c>Network.ReadOnnxMetadata</c> reads it.
    /// Null, the default, for nothing more.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}
