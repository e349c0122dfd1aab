using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>Computes the scores of batches. Thread-safe.</summary>
internal abstract class ScoringEngine : IDisposable
{
    /// <summary>
    /// Creates the engine for a network. Unless the kind says otherwise, this is ONNX Runtime on CPUs, where it fuses
    /// layers, computes on integers and uses its threads better; and Torch on GPUs, and for networks that ONNX Runtime
    /// does not take or would not compute exactly.
    /// </summary>
    /// <param name="network">The network, with batch normalization folded; the caller keeps it.</param>
    /// <param name="kind">Which engine.</param>
    /// <param name="threads">The number of ONNX Runtime's threads; null for its own choice.</param>
    /// <exception cref="InvalidOperationException">ONNX Runtime is requested and does not take the network.</exception>
    public static ScoringEngine For(
        Network network, ScoringEngineKind kind = ScoringEngineKind.Automatic, int? threads = null)
    {
        if (kind == ScoringEngineKind.Torch || kind == ScoringEngineKind.Automatic && !OnnxRuntimeEngine.Fits(network))
            return new TorchEngine(network);
        try
        {
            return new OnnxRuntimeEngine(network, threads);
        }
        catch (Exception exception) when (exception is NotSupportedException or OnnxRuntimeException)
        {
            return kind == ScoringEngineKind.Automatic
                ? new TorchEngine(network)
                : throw new InvalidOperationException(
                    $"ONNX Runtime does not take the network: {exception.Message}", exception);
        }
    }

    /// <summary>Computes the output for a batch in host memory.</summary>
    /// <returns>The output, on any device, owned by the caller.</returns>
    public abstract torch.Tensor Forward(torch.Tensor batch);

    public abstract void Dispose();
}
