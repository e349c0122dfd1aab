using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How long it takes to merge files of ResNet-50, by the mean and by the default, and how much memory: each in a process
/// of its own, since what a process has taken it does not give back.
/// </summary>
public static class MergingBenchmark
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
        ArgumentNullException.ThrowIfNull(output);
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

    /// <summary>Merges files, once to warm up and then in turns, and writes a line for each method.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="files">The files.</param>
    /// <param name="inMemory">Whether all networks are read before.</param>
    /// <param name="way"><c>mean</c> or <c>default</c>; null for both.</param>
    /// <param name="repetitions">Turns, at least 1.</param>
    public static void Run(TextWriter output, IReadOnlyList<string> files, bool inMemory, string? way, int repetitions)
    {
        ArgumentNullException.ThrowIfNull(output);
        var ways = way is null ? _ways : [way];
        var names = new string[ways.Length];
        var times = Turns.TakeOnce([.. ways.Index().Select(one => (Action)(() => names[one.Index] = Merge(one.Item)))], repetitions);
        foreach (var ((name, time), method) in ways.Zip(times).Zip(names))
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{files.Count} networks {(inMemory ? "in memory" : "from files")}, {name,-8} ({method}) {time / 1000,6:0.00} s, "
                + $"{time / 1000 / files.Count:0.00} s a network"));
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"largest working set: {Process.GetCurrentProcess().PeakWorkingSet64 / 1e9:0.00} GB"));

        string Merge(string name)
        {
            var options = new MergeOptions { Method = name == "mean" ? MergeMethod.Mean() : MergeMethod.Automatic };
            var networks = inMemory ? files.Select(Network.LoadOnnx).ToList() : [];
            try
            {
                using var merged = inMemory ? NetworkMerger.Merge(networks, options) : NetworkMerger.MergeFiles(files, options);
                merged.SaveOnnx(Path.Combine(Path.GetDirectoryName(files[0])!, "merged.onnx.tmp"));
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
            return NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions { WeightBits = bits, ActivationBits = bits }, 1);
        var copy = network.Clone();
        InputGrams.Send(copy, images, new SentMoments(), batchSize: 8, CancellationToken.None);
        return copy;
    }
}
