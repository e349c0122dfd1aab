using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// What one step of a block's reconstruction costs, as a multiple of a forward and backward pass of the same block in full precision. The two alternate, because a
/// machine that others use is never equally fast for long; medians.
/// </summary>
public static class ReconstructionStepBenchmark
{
    private const int WarmUps = 3;

    /// <summary>Measures some blocks of residual networks at W4A4 and writes a line for each.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="repetitions">Steps of each kind, at least 1.</param>
    public static void Run(TextWriter output, int repetitions = 31)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        output.WriteLine("block                              plain ms  noise ms  ratio  rounding ms  ratio");
        Measure(output, "ResNet-20 layer1.1, 32x16x32x32", () => ResNet.Cifar(20, 10, seed: 1), "layer1.1.conv1", [32, 16, 32, 32], repetitions);
        Measure(output, "ResNet-20 layer3.1, 32x64x8x8", () => ResNet.Cifar(20, 10, seed: 1), "layer3.1.conv1", [32, 64, 8, 8], repetitions);
        Measure(output, "ResNet-18 layer1.1, 8x64x56x56", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64), "layer1.1.conv1", [8, 64, 56, 56], repetitions);
        Measure(output, "ResNet-18 layer2.1, 16x128x28x28", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64), "layer2.1.conv1", [16, 128, 28, 28], repetitions);
        Measure(output, "ResNet-50 layer1.1, 8x256x56x56", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64), "layer1.1.conv1", [8, 256, 56, 56], repetitions);
        Measure(output, "ResNet-50 layer2.1, 16x512x28x28", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64), "layer2.1.conv1", [16, 512, 28, 28], repetitions);
    }

    private static void Measure(TextWriter output, string what, Func<Network> create, string blockName, long[] shape, int repetitions)
    {
        using var scope = torch.NewDisposeScope();
        using var original = create();
        using var folded = FoldBatchNormalization.Apply(original);
        using var generator = new torch.Generator(1);
        var inputShape = folded.Graph.Inputs[0].Shape.ToArray();
        inputShape[0] = 8;
        var images = torch.randn(inputShape, generator: generator);
        var sites = QuantizerSites.Find(folded, QuantizerPlacement.Paper, 4, 4, []);
        using var quantized = Calibration.Apply(folded, sites, [images], new CalibrationOptions(), CancellationToken.None);
        var block = BlockPartition.Find(quantized.Graph).Single(candidate => candidate.Name == blockName);
        using var training = new BlockReconstruction(quantized, block, folded.Parameters.ToDictionary(), new ReconstructionSettings(), seed: 1);
        var plainBlock = BlockPartition.Find(folded.Graph).Single(candidate => candidate.Name == blockName);
        using var plain = Subgraph.Extract(folded, plainBlock.Nodes, plainBlock.Input, plainBlock.Output, (_, tensor) => tensor.is_floating_point() ? new Parameter(tensor.detach().clone()) : tensor.clone());

        var input = torch.randn(shape, generator: generator).relu();
        torch.Tensor target;
        using (torch.no_grad())
            target = plain.Run([input], ForwardMode.Inference)[0];
        var all = Enumerable.Range(0, (int)shape[0]).Select(index => (long)index).ToArray();
        var noise = training.Scheme(isNoisy: true);
        var rounding = training.Scheme(isNoisy: false);
        var (plainTimes, noiseTimes, roundingTimes) = (new List<double>(), new List<double>(), new List<double>());
        for (var i = -WarmUps; i < repetitions; i++)
        {
            Time(plainTimes, () => PlainStep(plain, input, target));
            Time(noiseTimes, () => training.Step(input, input, target, all, noise));
            Time(plainTimes, () => PlainStep(plain, input, target));
            Time(roundingTimes, () => training.Step(input, input, target, all, rounding));
            if (i < 0)
                new[] { plainTimes, noiseTimes, roundingTimes }.ToList().ForEach(times => times.Clear());
        }
        var (a, b, c) = (Median(plainTimes), Median(noiseTimes), Median(roundingTimes));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-34} {a,8:F2}  {b,8:F2}  {b / a,5:F2}  {c,11:F2}  {c / a,5:F2}"));
        output.Flush();
    }

    private static void PlainStep(Network block, torch.Tensor input, torch.Tensor target)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var parameter in block.Parameters.Values)
            parameter.grad?.zero_();
        ReconstructionLoss.Squared(block.Run([input], ForwardMode.Gradient)[0], target).backward();
    }

    private static void Time(List<double> times, Action action)
    {
        using var scope = torch.NewDisposeScope();
        var start = Stopwatch.GetTimestamp();
        action();
        times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private static double Median(List<double> times)
    {
        times.Sort();
        return times[times.Count / 2];
    }
}
