using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>What computes the scores of batches. Thread-safe.</summary>
internal abstract class ScoringEngine : IDisposable
{
    /// <summary>
    /// The engine for a network: ONNX Runtime on CPUs, where it fuses layers and its threads help each other better, Torch on GPUs and for what ONNX Runtime
    /// does not take, such as simulated quantizers.
    /// </summary>
    /// <param name="network">The network, its normalizations folded; it stays the caller's.</param>
    public static ScoringEngine For(Network network)
    {
        if (!OnnxRuntimeEngine.Fits(network))
            return new TorchEngine(network);
        try
        {
            return new OnnxRuntimeEngine(network);
        }
        catch (Exception exception) when (exception is NotSupportedException or OnnxRuntimeException)
        {
            return new TorchEngine(network);
        }
    }

    /// <summary>Computes the output for a batch in host memory.</summary>
    /// <returns>The output, on any device, owned by the caller.</returns>
    public abstract torch.Tensor Forward(torch.Tensor batch);

    public abstract void Dispose();
}
