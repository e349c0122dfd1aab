using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>What ONNX Runtime computes with a model, operator by operator: without its optimizations.</summary>
internal static class OnnxRuntimeReference
{
    public static TensorData[] Run(byte[] model, IReadOnlyList<(string Name, TensorData Data)> inputs)
    {
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        using var session = new InferenceSession(model, options);
        using var run = new RunOptions();
        var pins = new List<GCHandle>();
        var values = new Dictionary<string, OrtValue>();
        try
        {
            foreach (var (name, data) in inputs)
            {
                pins.Add(GCHandle.Alloc(data.Bytes.ToArray(), GCHandleType.Pinned));
                values.Add(name, OrtValue.CreateTensorValueWithData(
                    OrtMemoryInfo.DefaultInstance, (TensorElementType)data.ElementType, data.Shape.ToArray(),
                    pins[^1].AddrOfPinnedObject(), data.Bytes.Length));
            }
            using var outputs = session.Run(run, values, session.OutputNames);
            return [.. outputs.Select(Copy)];
        }
        finally
        {
            foreach (var value in values.Values)
                value.Dispose();
            foreach (var pin in pins)
                pin.Free();
        }
    }

    private static TensorData Copy(OrtValue value)
    {
        var info = value.GetTensorTypeAndShape();
        return new TensorData((ElementType)info.ElementDataType, info.Shape, value.GetTensorMutableRawData().ToArray());
    }
}
