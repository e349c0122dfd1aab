using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>What ONNX Runtime makes of a model with all its optimizations: its kernels, and what they compute.</summary>
internal sealed class OptimizedModel : IDisposable
{
    private readonly InferenceSession _session;

    /// <summary>Lets the runtime optimize a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="exactSums">Whether weights become unsigned on x86, whose sums no CPU holds within 16 bits.</param>
    public OptimizedModel(byte[] model, bool exactSums = false)
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Combine("optimized.onnx");
        using var options = new SessionOptions { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, OptimizedModelFilePath = path };
        if (exactSums)
            options.AddSessionConfigEntry("session.x64quantprecision", "1");
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
