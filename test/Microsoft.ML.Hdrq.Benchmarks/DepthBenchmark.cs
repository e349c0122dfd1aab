using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How the time to quantize a network grows with its depth: residual networks of 9 and of 18 blocks of the same sizes
/// take turns.
/// </summary>
internal static class DepthBenchmark
{
    private const int Images = 16;

    /// <summary>
    /// Measures few steps a block, so that what a block costs beside them shows, and none, which is calibration alone.
    /// </summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">Turns, at least 1.</param>
    public static void Run(SpeedTable table, int repetitions)
    {
        using var scope = torch.NewDisposeScope();
        using var shallow = ResNet.Cifar(20, 10, seed: 1);
        using var deep = ResNet.Cifar(38, 10, seed: 1);
        using var generator = new torch.Generator(1);
        var images = torch.rand([Images, 3, 32, 32], generator: generator);
        foreach (var iterations in new[] { 0, 1, 10 })
        {
            var times = Turns.TakeOnce([
                () => Quantize(shallow, images, iterations), () => Quantize(deep, images, iterations)], repetitions);
            table.Add("depth", $"{iterations} steps a block", "9 blocks", times[0], "ms");
            table.Add("depth", $"{iterations} steps a block", "18 blocks", times[1], "ms", times[1] / times[0],
                "of 9 blocks");
        }
    }

    private static void Quantize(Network network, torch.Tensor images, int iterations)
    {
        var options = HdrqOptions.Paper with
        {
            WeightBits = 4,
            ActivationBits = 4,
            Placement = QuantizerPlacement.Integer,
            Source = network,
            Calibration = HdrqOptions.Paper.Calibration with { BatchSize = Images },
            Training = HdrqTraining.Paper with { Iterations = iterations, BatchSize = Images },
        };
        NetworkQuantizer.Quantize(network, images, options, seed: 1).Dispose();
    }
}
