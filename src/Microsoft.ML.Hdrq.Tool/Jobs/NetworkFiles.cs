using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>Networks that single steps write.</summary>
internal static class NetworkFiles
{
    /// <summary>The height and width on which a network is tried that takes any.</summary>
    public const int AnySide = 224;

    /// <summary>
    /// Writes a network, whole or not at all; also where another process writes the same file at the same time, as when
    /// a scheduler has started a job again whose node it lost sight of.
    /// </summary>
    public static void Save(Network network, string path, Output output)
    {
        WholeFile.Write(path, file => network.SaveOnnx(file));
        CheckpointFolder.Delete(path);
        output.Event(
            "written", () =>
                new JsonObject
                {
                    ["network"] = path,
                    ["bytes"] = new FileInfo(path).Length,
                    ["sha256"] = network.ParametersSha256()
                });
    }

    /// <summary>Whether an entry of a network's metadata is the moments of a layer's inputs.</summary>
    public static bool IsMoments(string key) => key.StartsWith(NetworkMetadata.InputMoments, StringComparison.Ordinal);

    /// <summary>
    /// Whether an entry of a merged network's metadata is the moments of a network that it was merged from.
    /// </summary>
    public static bool IsKeptMoments(string key) =>
        key.StartsWith(NetworkMetadata.KeptMoments, StringComparison.Ordinal);

    /// <summary>
    /// Says whether ONNX Runtime runs a network, and what became of the layers of a quantized one.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">Where <see cref="Save"/> has written it.</param>
    /// <param name="output">Where to say it.</param>
    public static void SayKernels(Network network, string path, Output output)
    {
        OnnxReport? report;
        try
        {
            report = network.IsQuantized ? OnnxReport.Of(network) : null;
            Try(network.Graph.Inputs[0], path);
        }
        catch (OnnxRuntimeException exception)
        {
            // The file is written; other programs may run it.
            output.Warn($"ONNX Runtime does not run this network: {exception.Message.Split('\n')[0].Trim()}");
            return;
        }
        foreach (var line in report is null || report.Layers.All(layer => layer.WeightBits is null) ? []
            : KernelSummary.Of([("", report)]))
            output.Say(line);
    }

    /// <summary>Scores one image with ONNX Runtime: what its optimizer makes may be loaded and still not run.</summary>
    private static void Try(GraphValue input, string path)
    {
        long[] shape = [.. input.Shape.ToArray().Select((size, d) => size != -1 ? size : d == 0 ? 1 : AnySide)];
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        using var session = new InferenceSession(path, options);
        using var zeros = OrtValue.CreateAllocatedTensorValue(
            OrtAllocator.DefaultInstance, TensorElementType.Float, shape);
        zeros.GetTensorMutableDataAsSpan<float>().Clear();
        using var run = new RunOptions();
        using var outputs = session.Run(run, [input.Name], [zeros], session.OutputNames);
    }
}
