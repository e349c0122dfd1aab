using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Time and memory of quantizing large networks on 32 images with the default options, all blocks, but for few steps, and
/// with two images of 512 x 512 at a time.
/// What was finished is kept in a folder: the same command goes on after it was stopped.
/// </summary>
public static class LargeNetworkBenchmark
{
    private const int Images = 32;
    private const int Classes = 19;

    /// <summary>The names of the networks.</summary>
    public static IReadOnlyList<string> Names { get; } = ["segformer-b2", "deeplab-101", "vit-b16"];

    /// <summary>Quantizes a network and writes a line for each block.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="name">One of <see cref="Names"/>; the first two at 512 x 512.</param>
    /// <param name="folder">A folder for checkpoints and the quantized network.</param>
    /// <param name="steps">The steps for each block.</param>
    public static void Run(TextWriter output, string name, string folder, int steps)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        using var source = Create(name, out var size);
        using var network = source.Clone();
        var images = torch.rand([Images, 3, size, size], generator: generator);
        var options = new HdrqOptions
        {
            Source = source,
            Training = size > 224 ? new() { Iterations = steps, BatchSize = 2 } : new() { Iterations = steps },
            Calibration = size > 224 ? new() { BatchSize = 2 } : new(),
            CheckpointDirectory = Path.Combine(folder, "checkpoints"),
            Progress = new Lines(output),
        };
        var clock = Stopwatch.StartNew();
        using var quantized = NetworkQuantizer.Quantize(network, images, options, seed: 1);
        var file = Path.Combine(folder, $"{name}.onnx");
        quantized.SaveOnnx(file);
        using var process = Process.GetCurrentProcess();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: {clock.Elapsed.TotalSeconds:F0} s in this process, peak {process.PeakWorkingSet64 / 1048576.0:F0} MB, "
            + $"parameters {quantized.ParametersSha256()[..16]}"));
    }

    private static Network Create(string name, out int size)
    {
        size = name == "vit-b16" ? 224 : 512;
        return name switch
        {
            "segformer-b2" => SegFormer.Create(2, Classes, seed: 1, size, size),
            "deeplab-101" => DeepLab.Create(101, Classes, seed: 1, size, size),
            "vit-b16" => VisionTransformer.Create(12, 768, 12, 1000, seed: 1),
            _ => throw new ArgumentException($"'{name}' is none of {string.Join(", ", Names)}.", nameof(name)),
        };
    }

    /// <summary>A line for the last step of each block: time until its first step, and for a step after it.</summary>
    private sealed class Lines : IProgress<QuantizationProgress>
    {
        private readonly TextWriter _output;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private double _first;

        public Lines(TextWriter output)
        {
            _output = output;
            output.WriteLine("resident MB   peak MB  to first step s  s a step  block");
        }

        public void Report(QuantizationProgress value)
        {
            if (value.Step == 1)
                _first = _clock.Elapsed.TotalSeconds;
            if (value.Step != value.Steps)
                return;
            using var process = Process.GetCurrentProcess();
            var step = (_clock.Elapsed.TotalSeconds - _first) / Math.Max(value.Steps - 1, 1);
            _output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{process.WorkingSet64 / 1048576.0,11:F0} {process.PeakWorkingSet64 / 1048576.0,9:F0} {_first,15:F1} {step,9:F2}  "
                + $"{value.BlockIndex + 1} of {value.Blocks}, {value.Block}"));
            _output.Flush();
            _clock.Restart();
        }
    }
}
