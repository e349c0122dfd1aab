using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Peak memory of quantizing a DeepLab with a residual network of 101 layers on 32 crops of 512 x 512 pixels with the default options, but for few steps: the first blocks, which have the
/// largest activations, and not the rest.
/// </summary>
public static class SegmentationMemoryBenchmark
{
    private const int Classes = 19;
    private const int Crops = 32;
    private const int Size = 512;
    private const int Iterations = 2;
    private const int Blocks = 5;

    /// <summary>Quantizes and writes a line for each stage and block.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var clock = Stopwatch.StartNew();
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        var options = new HdrqOptions { Training = new() { Iterations = Iterations } };
        output.WriteLine("resident MB   peak MB  seconds");
        using (torch.NewDisposeScope())
        {
            // The largest activation of a batch, under the default observer. The rest of the calibration is with one that takes a hundredth of the time and less memory.
            new MseObserver().Observe(torch.rand([1, options.Calibration.BatchSize * 64L * (Size / 2) * (Size / 2)], generator: generator), new QuantizationRange(8, false));
        }
        Line("default observer");
        using var source = DeepLab.Create(101, Classes, seed: 1);
        using var network = source.Clone();
        var images = torch.rand([Crops, 3, Size, Size], generator: generator);
        using var cancellation = new CancellationTokenSource();
        options = options with { Calibration = new() { Observer = RangeObserverKind.MinMax }, Source = source, Progress = new Progress(Report) };
        try
        {
            NetworkQuantizer.Quantize(network, images, options, seed: 1, cancellation.Token).Dispose();
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            Line("stopped");
        }

        void Report(QuantizationProgress progress)
        {
            if (progress.Step == 1 || progress.Step == progress.Steps)
                Line($"{progress.Block}, step {progress.Step}");
            if (progress.BlockIndex + 1 == Blocks && progress.Step == progress.Steps)
                cancellation.Cancel();
        }

        void Line(string what)
        {
            using var process = Process.GetCurrentProcess();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{process.WorkingSet64 / 1048576.0,11:F0} {Peak() / 1024.0,9:F0} {clock.Elapsed.TotalSeconds,8:F0}  {what}"));
            output.Flush();
        }
    }

    /// <summary>VmHWM in kilobytes; 0 elsewhere than on Linux.</summary>
    private static long Peak() => !OperatingSystem.IsLinux() ? 0
        : long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    private sealed class Progress(Action<QuantizationProgress> report) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => report(value);
    }
}
