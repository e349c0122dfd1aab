using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How much faster a quantized network is than itself in full precision in ONNX Runtime, each in the files that are
/// written by default. They score the same batch in turns, because a machine that others use is never equally fast for
/// long; medians.
/// </summary>
public static class IntegerScoringBenchmark
{
    private const int CalibrationImages = 4;

    private static readonly (int Weights, int Activations)[] _bits = [(8, 8), (4, 8), (4, 4)];

    /// <summary>Measures ResNet-50 at 224 x 224 and writes a line for each batch size and number of threads.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="repetitions">Batches that each network scores, at least 1.</param>
    /// <param name="inputSize">Height and width of the images.</param>
    public static void Run(TextWriter output, int repetitions = 9, int inputSize = 224)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        using var original = ResNet.ImageNet(50, 1000, seed: 1, inputSize);
        using var network = FoldBatchNormalization.Apply(original);
        var quantized = _bits.Select(bits => Quantize(original, bits, inputSize)).ToList();
        using var full = Quantize(original, _bits[0], inputSize, reduceRange: false);
        output.WriteLine(SignedKernels.AreExact
            ? "This CPU has VNNI, or is Arm: signed kernels are exact."
            : "This CPU has no VNNI: signed kernels add pairs of products within 16 bits.");
        var names = _bits.Select(bits => $"W{bits.Weights}A{bits.Activations}").ToList();
        output.WriteLine($"| batch | threads | FP32 ms | {string.Join(" | ", names)} | "
            + $"{string.Join(" | ", names.Select(name => $"{name} .zip"))} | {names[0]} full range |");
        output.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", 2 * names.Count + 4))}");
        foreach (var (batch, threads) in from batch in new[] { 1, 32 } from threads in new[] { 1, 2 } select (batch, threads))
        {
            List<SavedNetwork> saved =
            [
                SavedNetwork.Onnx(network, threads),
                .. quantized.Select(candidate => SavedNetwork.Onnx(candidate, threads)),
                SavedNetwork.Model(network, threads),
                .. quantized.Select(candidate => SavedNetwork.Model(candidate, threads)),
                SavedNetwork.Onnx(full, threads),
            ];
            var (pixels, shape) = Images(batch, inputSize);
            var times = Turns.TakeOnce(
                [.. saved.Select<SavedNetwork, Action>(file => () => file.Score(pixels, shape))], repetitions);
            saved.ForEach(file => file.Dispose());
            // Models against the model in full precision, since they all score row by row.
            var model = 1 + quantized.Count;
            var ratios = times.Select((time, i) => times[i < model || i == times.Length - 1 ? 0 : model] / time);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {batch} | {threads} | {times[0]:F1} | ")
                + $"{string.Join(" | ", ratios.Where((_, i) => i != 0 && i != model)
                    .Select(ratio => ratio.ToString("F2", CultureInfo.InvariantCulture)))} |");
            output.Flush();
        }
        quantized.ForEach(candidate => candidate.Dispose());
    }

    private static (float[] Pixels, long[] Shape) Images(int batch, int inputSize)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        var images = torch.randn([batch, 3, inputSize, inputSize], generator: generator);
        return (images.data<float>().ToArray(), images.shape);
    }

    /// <summary>Rounded to nearest with ranges from noise: speed does not depend on the numbers.</summary>
    private static Network Quantize(
        Network network, (int Weights, int Activations) bits, int inputSize, bool reduceRange = true)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(2);
        var options = new RoundToNearestOptions
        {
            WeightBits = bits.Weights,
            ActivationBits = bits.Activations,
            ReduceRange = reduceRange,
            Calibration = new() { Observer = RangeObserverKind.MinMax },
            Moments = SentMoments.Nothing,
        };
        var images = torch.randn([CalibrationImages, 3, inputSize, inputSize], generator: generator);
        return NetworkQuantizer.Quantize(network, images, options, seed: 1);
    }
}
