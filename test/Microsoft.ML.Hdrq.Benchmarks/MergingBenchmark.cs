using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How long it takes to merge files of ResNet-50, by the mean and by the default, and how much memory: each in a process
/// of its own, since what a process has taken it does not give back.
/// </summary>
internal static class MergingBenchmark
{
    /// <summary>Moments are measured on so many images; fewer send none, and the default is the mean then.</summary>
    private const int Images = 32;

    private static readonly string[] _ways = ["mean", "default"];

    /// <summary>Writes files of networks that carry moments.</summary>
    /// <param name="output">Told the size of a file.</param>
    /// <param name="folder">A folder, made where it is not there.</param>
    /// <param name="networks">The number of files.</param>
    /// <param name="bits">Of weights and activations; 32 for full precision.</param>
    public static void Write(TextWriter output, string folder, int networks, int bits)
    {
        Directory.CreateDirectory(folder);
        using var source = Source(bits);
        for (var site = 0; site < networks; site++)
        {
            using var scope = torch.NewDisposeScope();
            using var generator = new torch.Generator((ulong)site);
            using var network = source.Clone();
            using (torch.no_grad())
            {
                foreach (var (_, parameter) in network.Parameters.Where(one => one.Value.dim() > 1))
                    parameter.mul_(torch.randn(parameter.shape, generator: generator).mul(0.05).add(1));
            }
            network.SaveOnnx(Path.Combine(folder, $"site-{site:00}.onnx"));
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{networks} files of {new FileInfo(Path.Combine(folder, "site-00.onnx")).Length / 1e6:0.0} MB in {folder}"));
    }

    /// <summary>Merges 2 and 8 files, each way in a process of its own, which shows the memory that it takes.</summary>
    /// <param name="table">Where figures go.</param>
    public static void RunApart(SpeedTable table)
    {
        var folder = Directory.CreateTempSubdirectory("hdrq-");
        try
        {
            Write(TextWriter.Null, folder.FullName, networks: 8, bits: 32);
            foreach (var (networks, way) in from networks in new[] { 2, 8 } from way in _ways select (networks, way))
            {
                var rows = Path.Combine(folder.FullName, "rows.csv");
                string[] command = ["merging", "files", folder.FullName, $"{networks}", "1", way, "--output", rows];
                // Started as "dotnet" with a library, or as the program itself.
                var program = Environment.ProcessPath!;
                var isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
                using var process = Process.Start(
                    program, isHost ? [Environment.GetCommandLineArgs()[0], .. command] : command);
                process.WaitForExit();
                if (process.ExitCode != 0)
                    throw new InvalidOperationException($"Merging ended with {process.ExitCode}.");
                table.Take(rows);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Merges files, once to warm up and then in turns.</summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="folder">The folder of the files.</param>
    /// <param name="count">The number of files to merge: the first ones by name.</param>
    /// <param name="inMemory">Whether all networks are read before.</param>
    /// <param name="way"><c>mean</c> or <c>default</c>; null for both.</param>
    /// <param name="repetitions">Turns, at least 1.</param>
    /// <exception cref="ArgumentException">The folder has fewer files.</exception>
    public static void Run(SpeedTable table, string folder, int count, bool inMemory, string? way, int repetitions)
    {
        string[] files = [.. Directory.GetFiles(folder, "*.onnx").Order(StringComparer.Ordinal).Take(count)];
        if (files.Length < count)
            throw new ArgumentException($"'{folder}' has {files.Length} files of networks, and not {count}.", nameof(count));
        using var merging = new TemporaryFolder();
        var ways = way is null ? _ways : [way];
        var names = new string[ways.Length];
        var times = Turns.TakeOnce([.. ways.Index().Select(one => (Action)(() => names[one.Index] = Merge(one.Item)))],
            repetitions);
        var where = $"{files.Length} ResNet-50 {(inMemory ? "in memory" : "from files")}";
        foreach (var ((name, time), method) in ways.Zip(times).Zip(names))
            table.Add("merging", where, $"{name} ({method}), a network", time / 1000 / files.Length, "s");
        using var process = Process.GetCurrentProcess();
        table.Add("merging", where, $"{string.Join(" and ", ways)}, largest working set",
            process.PeakWorkingSet64 / 1e9, "GB");

        string Merge(string name)
        {
            var options = new MergeOptions { Method = name == "mean" ? MergeMethod.Mean() : MergeMethod.Automatic };
            var networks = inMemory ? files.Select(Network.LoadOnnx).ToList() : [];
            try
            {
                using var merged = inMemory ? NetworkMerger.Merge(networks, options)
                    : NetworkMerger.MergeFiles(files, options);
                merged.SaveOnnx(merging.Combine("merged.onnx"));
                return merged.Metadata[NetworkMetadata.MergeMethod];
            }
            finally
            {
                networks.ForEach(network => network.Dispose());
            }
        }
    }

    private static Network Source(int bits)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        using var network = ResNet.ImageNet(50, 1000, seed: 1);
        using (torch.no_grad())
        {
            foreach (var (_, parameter) in network.Parameters.Where(one => one.Value.dim() > 1))
                parameter.mul_(0.5); // not larger from layer to layer
        }
        var images = torch.randn([Images, 3, 224, 224], generator: generator);
        if (bits < 32)
            return NetworkQuantizer.Quantize(
                network, images, new RoundToNearestOptions { WeightBits = bits, ActivationBits = bits }, 1);
        var copy = network.Clone();
        InputGrams.Send(copy, images, new SentMoments(), batchSize: 8, CancellationToken.None);
        return copy;
    }
}
