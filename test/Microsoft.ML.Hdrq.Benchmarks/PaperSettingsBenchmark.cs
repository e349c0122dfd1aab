using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// CPU time of quantizing ResNet-20 with the paper's settings, W4A4, on one thread, but for 500 steps a block.
/// </summary>
internal static class PaperSettingsBenchmark
{
    private const int Images = 256;

    /// <summary>Measures once.</summary>
    /// <param name="table">Where the figure goes.</param>
    public static void Run(SpeedTable table)
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(20, 10, seed: 1);
        var rows = torch.rand([Images, 3, 32, 32], generator: new torch.Generator(1));
        var options = HdrqOptions.Paper with
        {
            WeightBits = 4,
            ActivationBits = 4,
            Source = network,
            Training = HdrqTraining.Paper with { Iterations = 500 },
        };
        using var modes = new TorchModes(threads: 1);
        using var process = Process.GetCurrentProcess();
        var (before, clock) = (process.TotalProcessorTime, Stopwatch.StartNew());
        NetworkQuantizer.Quantize(network, rows, options, seed: 1).Dispose();
        process.Refresh();
        var where = "ResNet-20, W4A4, 256 images, 500 steps, 1 thread";
        table.Add("paper", where, "CPU", (process.TotalProcessorTime - before).TotalSeconds, "s");
        table.Add("paper", where, "elapsed", clock.Elapsed.TotalSeconds, "s");
    }
}
