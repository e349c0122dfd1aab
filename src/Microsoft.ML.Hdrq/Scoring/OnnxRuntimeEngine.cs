using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>Scores with an ONNX Runtime session whose threads sleep while they wait.</summary>
internal sealed class OnnxRuntimeEngine : ScoringEngine
{
    private readonly InferenceSession _session;
    private readonly string[] _input;
    private readonly string[] _output;

    /// <summary>Hands a network over to ONNX Runtime.</summary>
    /// <param name="network">The network; the caller keeps it.</param>
    /// <param name="threads">The number of threads that compute; null for the runtime's own choice.</param>
    /// <param name="signedWeights">
    /// Whether 8-bit weights are signed; null for signed weights where they are as exact, and faster.
    /// </param>
    /// <exception cref="NotSupportedException">
    /// ONNX cannot express the network, or ONNX Runtime may end the process with it.
    /// </exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime rejects the model.</exception>
    public OnnxRuntimeEngine(Network network, int? threads = null, bool? signedWeights = null)
    {
        if (IntegerDivisions.HaveUnknownDivisors(network.Graph))
        {
            throw new NotSupportedException(
                "The network divides integers by others that it computes, on which ONNX Runtime may end the process.");
        }
        _input = [network.Graph.Inputs[0].Name];
        _output = [network.Graph.Outputs[0].Name];
        using var model = new MemoryStream();
        network.SaveOnnx(model, new() { SignedWeights = signedWeights ?? SignedKernels.AreExact });
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        if (threads is { } count)
            options.IntraOpNumThreads = count;
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        _session = new InferenceSession(model.ToArray(), options);
    }

    /// <summary>
    /// Whether ONNX Runtime suits a network: it is on a CPU, it is in full precision or computes on integers
    /// throughout, its scores have single precision, and no quotient of integers may end the process.
    /// </summary>
    public static bool Fits(Network network) =>
        network.Device.type == DeviceType.CPU
            && network.Graph.Outputs[0].ElementType == ElementType.Float32
            && !IntegerDivisions.HaveUnknownDivisors(network.Graph)
            && (network.Graph.Nodes.All(node => !node.Operator.IsSimulation) || IntegerNetwork.IsComplete(network));

    public override torch.Tensor Forward(torch.Tensor batch)
    {
        using var scope = torch.NewDisposeScope();
        // The batch is a view of some rows of a larger one; the runtime needs it contiguous.
        var rows = batch.contiguous();
        var bytes = rows.bytes;
        unsafe
        {
            fixed (byte* pointer = bytes)
            {
                using var input = OrtValue.CreateTensorValueWithData(
                    OrtMemoryInfo.DefaultInstance, TensorElementType.Float, rows.shape, (nint)pointer, bytes.Length);
                using var run = new RunOptions();
                using var outputs = _session.Run(run, _input, [input], _output);
                var shape = outputs[0].GetTensorTypeAndShape().Shape;
                var scores = torch.empty(shape, torch.ScalarType.Float32);
                outputs[0].GetTensorDataAsSpan<float>().CopyTo(MemoryMarshal.Cast<byte, float>(scores.bytes));
                return scores.MoveToOuterDisposeScope();
            }
        }
    }

    public override void Dispose() => _session.Dispose();
}
