namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a network is written as ONNX.</summary>
public sealed class OnnxSaveOptions
{
    /// <summary>
    /// The opset to write, 9 to 21. Null, the default, is the oldest from 13 that can express the network: what most runtimes can read.
    /// </summary>
    public int? Opset { get; init; }

    /// <summary>
    /// The name of a file beside the model into which the tensors of 1,024 bytes and more are written, for models beyond the 2 GB of an ONNX file.
    /// Null, the default, keeps everything in one file. Only for saving to a path.
    /// </summary>
    public string? ExternalDataFile { get; init; }
}
