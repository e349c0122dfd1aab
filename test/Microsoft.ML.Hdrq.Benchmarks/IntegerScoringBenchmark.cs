using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How much faster a quantized network is than itself in full precision in ONNX Runtime, each in the files that are
/// written by default. They score the same batch in turns, because a machine that others use is never equally fast for
/// long; medians.
/// </summary>
internal static class IntegerScoringBenchmark
{
    private static readonly (int Weights, int Activations)[] _bits = [(8, 8), (4, 8), (4, 4)];

    /// <summary>Measures ResNet-50 at 224 x 224 and writes a line for each batch size and number of threads.</summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">Batches that each network scores, at least 1.</param>
    public static void Run(SpeedTable table, int repetitions)
    {
        const int inputSize = 224;
        using var original = ResNet.ImageNet(50, 1000, seed: 1, inputSize);
        using var network = FoldBatchNormalization.Apply(original);
        var quantized = _bits.Select(bits => RoundedNetwork.Of(original, bits.Weights, bits.Activations, inputSize))
            .ToList();
        using var full = RoundedNetwork.Of(original, _bits[0].Weights, _bits[0].Activations, inputSize, reduceRange: false);
        List<string> names = ["FP32", .. _bits.Select(bits => $"W{bits.Weights}A{bits.Activations}")];
        names = [.. names, .. names.Select(name => $"{name} in a .zip"), $"{names[1]}, full range"];
        foreach (var (batch, threads) in from batch in new[] { 1, 32 }
                                         from threads in new[] { 1, 2 }
                                         select (batch, threads))
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
            foreach (var (i, time) in times.Index())
            {
                var full32 = i < model || i == times.Length - 1 ? 0 : model;
                table.Add(
                    "integers", $"ResNet-50 at 224 x 224, batch {batch}, {threads} threads", names[i], time, "ms",
                    times[full32] / time, $"times as fast as {names[full32]}");
            }
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
}
