using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>What ONNX Runtime makes of a model with all its optimizations: its kernels, and what they compute.</summary>
internal sealed class OptimizedModel : IDisposable
{
    private readonly InferenceSession _session;

    public OptimizedModel(byte[] model)
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("optimized.onnx");
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            OptimizedModelFilePath = path
        };
        _session = new InferenceSession(model, options);
        Graph = ModelProto.Parser.WithDiscardUnknownFields(true).ParseFrom(File.ReadAllBytes(path)).Graph;
    }

    /// <summary>The graph that runs.</summary>
    public GraphProto Graph { get; }

    /// <summary>How many nodes are of a type.</summary>
    public int Count(string type) => Graph.Node.Count(node => node.OpType == type);

    /// <summary>The first output, of a network with one input.</summary>
    public float[] Run(torch.Tensor input)
    {
        using var value = OrtValue.CreateTensorValueFromMemory(input.contiguous().data<float>().ToArray(), input.shape);
        using var run = new RunOptions();
        using var outputs = _session.Run(run, [_session.InputNames[0]], [value], [_session.OutputNames[0]]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    public void Dispose() => _session.Dispose();
}
