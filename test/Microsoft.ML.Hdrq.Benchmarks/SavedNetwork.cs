using System.IO.Compression;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// A network in a file as an application gets it, written with the default options: an ONNX file, or the one inside a
/// model of ML.NET, which takes one row at a time. ONNX Runtime scores it as
/// <see cref="Scoring.OnnxRuntimeEngine"/> does: with threads that sleep while they wait.
/// </summary>
internal sealed class SavedNetwork : IDisposable
{
    private readonly InferenceSession _session;
    private readonly bool _byRow;

    private SavedNetwork(byte[] file, int threads, bool byRow)
    {
        using var options = new SessionOptions
        {
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            IntraOpNumThreads = threads,
        };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        _session = new InferenceSession(file, options);
        _byRow = byRow;
    }

    /// <summary>The network as <c>SaveOnnx</c> writes it.</summary>
    public static SavedNetwork Onnx(Network network, int threads, OnnxSaveOptions? options = null)
    {
        using var file = new MemoryStream();
        network.SaveOnnx(file, options);
        return new(file.ToArray(), threads, byRow: false);
    }

    /// <summary>The network in a model as <c>ml.Model.Save</c> writes it.</summary>
    public static SavedNetwork Model(Network network, int threads)
    {
        var context = new MLContext(seed: 1);
        var schema = SchemaDefinition.Create(typeof(Row));
        int[] size = [.. network.Graph.Inputs[0].Shape[1..].ToArray().Select(length => (int)length)];
        schema[nameof(Row.Pixels)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, size);
        var rows = context.Data.LoadFromEnumerable(Array.Empty<Row>(), schema);
        using var model = context.Transforms.ApplyNetwork("Score", nameof(Row.Pixels), network).Fit(rows);
        using var saved = new MemoryStream();
        context.Model.Save(model, rows.Schema, saved);
        using var archive = new ZipArchive(saved, ZipArchiveMode.Read);
        using var entry = archive.Entries.Single(entry => entry.Name == "OnnxModel").Open();
        // ML.NET writes the length of the file before it.
        using var reader = new BinaryReader(entry);
        return new(reader.ReadBytes(reader.ReadInt32()), threads, byRow: true);
    }

    /// <summary>Scores rows.</summary>
    /// <param name="pixels">The rows, one after another.</param>
    /// <param name="shape">Their shape, which begins with their number.</param>
    public void Score(float[] pixels, long[] shape)
    {
        var count = _byRow ? (int)shape[0] : 1;
        var length = pixels.Length / count;
        long[] given = [shape[0] / count, .. shape[1..]];
        for (var i = 0; i < count; i++)
        {
            using var input = OrtValue.CreateTensorValueFromMemory(
                OrtMemoryInfo.DefaultInstance, pixels.AsMemory(i * length, length), given);
            using var run = new RunOptions();
            using var outputs = _session.Run(run, _session.InputNames, [input], _session.OutputNames);
        }
    }

    public void Dispose() => _session.Dispose();

    private sealed class Row
    {
        public float[] Pixels { get; set; } = [];
    }
}
