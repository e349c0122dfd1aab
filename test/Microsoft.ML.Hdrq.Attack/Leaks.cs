using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>
/// Does everything again and again: tensors, files that stay open, temporary files and memory must not grow with it.
/// </summary>
internal static class Leaks
{
    private const int Size = 8;
    private const int Classes = 5;

    /// <summary>
    /// How much memory may grow: allocators keep some of what is freed. What leaked 0.1 MiB at each repetition would be
    /// above it.
    /// </summary>
    private const double Allowed = 24;

    /// <summary>Repeats each operation.</summary>
    /// <param name="output">Folder for what it works on.</param>
    /// <param name="repetitions">How often; the first sixth is not measured.</param>
    /// <param name="log">Receives a line of the table for each operation.</param>
    public static void Run(string output, int repetitions, Log log)
    {
        torch.set_num_threads(1);
        var folder = Path.Combine(output, "leaks");
        // Others write to the folder for all.
        var temporary = Path.Combine(folder, "temporary");
        Directory.CreateDirectory(temporary);
        Environment.SetEnvironmentVariable(OperatingSystem.IsWindows() ? "TMP" : "TMPDIR", temporary);
        var ml = new MLContext(seed: 1);
        var data = Data(ml);
        using var network = ResNet.Cifar(8, Classes, seed: 1, width: 4, Size);
        var file = Path.Combine(folder, "network.onnx");
        network.SaveOnnx(file);
        var bytes = File.ReadAllBytes(file);
        using var applied = ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        var scored = applied.Transform(data);
        using var images = torch.rand([8, 3, Size, Size], generator: new torch.Generator(2));
        using var integers = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions(), seed: 1);
        var hdrq = new HdrqOptions { Training = new HdrqTraining { Iterations = 2, BatchSize = 4 } };
        var labels = new AdaptationOptions { Epochs = 1, BatchSize = 4 };
        (string Name, Action<int> Act)[] operations =
        [
            ("read ONNX", _ => Network.LoadOnnx(file).Dispose()),
            ("read damaged ONNX", repetition => ReadDamaged(bytes, repetition)),
            ("write ONNX", _ => network.SaveOnnx(Path.Combine(folder, "written.onnx"))),
            ("write ONNX with integers, with a report", _ =>
                OnnxReport.Save(integers, Path.Combine(folder, "integers.onnx"))),
            ("score with ONNX Runtime", _ => Score(ml, data, network, ScoringEngineKind.OnnxRuntime)),
            ("score with libtorch", _ => Score(ml, data, network, ScoringEngineKind.Torch)),
            ("save a model of ML.NET, load it and predict", _ => SaveAndLoad(ml, data, integers, folder)),
            ("quantize, rounded to nearest", _ =>
                NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions(), seed: 1).Dispose()),
            ("quantize, HDRQ", _ => Fit(ml.Transforms.QuantizeHdrq("Score", "Source", hdrq))),
            ("adapt with labels", _ => Fit(ml.Transforms.AdaptNetwork("Score", "Source", labels))),
            ("adapt without labels", _ => Fit(ml.Transforms.AdaptNetwork(
                "Score", "Source", labels with { Method = AdaptationMethod.Student }))),
            ("merge", _ => NetworkMerger.Merge([integers, integers]).Dispose()),
            ("merge files", _ => NetworkMerger.MergeFiles([file, file]).Dispose()),
            ("refuse to merge", _ => Refuse(() => NetworkMerger.Merge([integers, network]).Dispose())),
            ("compare networks", _ => ml.Model.CompareNetworks(
                scored, ["Source"], rows: new RowOptions { MaxRows = 4, Seed = 1 })),
        ];
        foreach (var (name, act) in operations)
            Measure(name, act);

        void Fit(IEstimator<NetworkTransformer> estimator) => estimator.Fit(scored).Dispose();

        void Measure(string name, Action<int> act)
        {
            var first = repetitions / 6;
            var before = (Tensors: 0L, Files: 0, Temporary: 0, Memory: 0.0);
            var watch = Stopwatch.StartNew();
            for (var repetition = 0; repetition < repetitions; repetition++)
            {
                if (repetition == first)
                    before = State();
                act(repetition);
            }
            var after = State();
            var isSame = after.Tensors == before.Tensors && after.Files == before.Files
                && after.Temporary <= before.Temporary && after.Memory - before.Memory < Allowed;
            log.Check(name, isSame, string.Create(
                CultureInfo.InvariantCulture,
                $"{repetitions} times in {watch.Elapsed.TotalSeconds:0} s; tensors {before.Tensors} and {after.Tensors}, open "
                + $"files {before.Files} and {after.Files}, temporary files {before.Temporary} and {after.Temporary}, memory "
                + $"{before.Memory:0} and {after.Memory:0} MiB"));
        }
    }

    private static (long Tensors, int Files, int Temporary, double Memory) State()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // .NET keeps room for new objects as large as the CPU's cache, which may be hundreds of MiB, unless told not to.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var process = Process.GetCurrentProcess();
        var files = OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0;
        return (DisposeScopeManager.Statistics.ThreadTotalLiveCount, files,
            Directory.GetFileSystemEntries(Path.GetTempPath()).Length, process.WorkingSet64 / 1048576.0);
    }

    private static void ReadDamaged(byte[] file, int repetition)
    {
        try
        {
            Network.LoadOnnx(new MemoryStream(Damage.Bytes(file, new Random(repetition)))).Dispose();
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
        }
    }

    private static void Refuse(Action action)
    {
        try
        {
            action();
        }
        catch (ArgumentException)
        {
            return;
        }
        throw new InvalidOperationException("It was not refused.");
    }

    private static void Score(MLContext ml, IDataView data, Network network, ScoringEngineKind engine)
    {
        using var model = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Engine = engine }).Fit(data);
        _ = model.Transform(data).GetColumn<float[]>("Score").Count();
    }

    private static void SaveAndLoad(MLContext ml, IDataView data, Network network, string folder)
    {
        var path = Path.Combine(folder, "model.zip");
        using (var model = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data))
            ml.Model.Save(model, data.Schema, path);
        var loaded = ml.Model.Load(path, out _);
        using var owned = loaded as IDisposable;
        _ = loaded.Transform(data).GetColumn<float[]>("Score").Count();
    }

    private static IDataView Data(MLContext ml)
    {
        var schema = SchemaDefinition.Create(typeof(LabelledRow));
        schema["Pixels"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, Size, Size);
        schema["Label"].ColumnType = new KeyDataViewType(typeof(uint), Classes);
        var random = new Random(1);
        return ml.Data.LoadFromEnumerable(Enumerable.Range(0, 10).Select(number => new LabelledRow
        {
            Pixels = [.. Enumerable.Range(0, 3 * Size * Size).Select(_ => random.NextSingle())],
            Label = (uint)(1 + number % Classes),
        }).ToArray(), schema);
    }

    /// <summary>An image with its class.</summary>
    private sealed class LabelledRow
    {
        public float[] Pixels { get; set; } = [];

        public uint Label { get; set; }
    }
}
