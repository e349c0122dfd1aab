using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// How much faster a quantized network is than itself in full precision, both in ONNX Runtime, and in Torch. The engines score the same batch in turns, because a machine that
/// others use is never equally fast for long; medians.
/// </summary>
public static class IntegerScoringBenchmark
{
    private const int WarmUps = 2;
    private const int CalibrationImages = 4;

    private static readonly (int Weights, int Activations)[] Bits = [(8, 8), (4, 8), (4, 4)];

    /// <summary>Measures ResNet-50 at 224 x 224 and writes a line for each batch size and number of threads.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="repetitions">Batches that each engine scores, at least 1.</param>
    /// <param name="inputSize">Height and width of the images.</param>
    public static void Run(TextWriter output, int repetitions = 9, int inputSize = 224)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        using var original = ResNet.ImageNet(50, 1000, seed: 1, inputSize);
        using var network = FoldBatchNormalization.Apply(original);
        var quantized = Bits.Select(bits => Quantize(original, bits.Weights, bits.Activations, inputSize)).ToList();
        output.WriteLine("batch  threads   FP32 ONNX Runtime ms   times as fast:  Torch FP32   W8A8   W4A8   W4A4   W8A8 file");
        foreach (var (batch, threads) in from batch in new[] { 1, 32 } from threads in new[] { 1, 2 } select (batch, threads))
        {
            torch.set_num_threads(threads);
            var engines = new List<ScoringEngine> { new OnnxRuntimeEngine(network, threads), new TorchEngine(network) };
            engines.AddRange(quantized.Select(candidate => new OnnxRuntimeEngine(candidate, threads)));
            // As saved for every CPU, with unsigned weights.
            engines.Add(new OnnxRuntimeEngine(quantized[0], threads, signedWeights: false));
            var medians = Measure(engines, batch, inputSize, repetitions);
            engines.ForEach(engine => engine.Dispose());
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{batch,5}  {threads,7}   {medians[0],20:F1}                   {medians[0] / medians[1],10:F2}  {medians[0] / medians[2],5:F2}  {medians[0] / medians[3],5:F2}  {medians[0] / medians[4],5:F2}  {medians[0] / medians[5],10:F2}"));
            output.Flush();
        }
        quantized.ForEach(candidate => candidate.Dispose());
    }

    private static double[] Measure(List<ScoringEngine> engines, int batch, int inputSize, int repetitions)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        var images = torch.randn([batch, 3, inputSize, inputSize], generator: generator);
        var times = engines.Select(_ => new List<double>()).ToArray();
        for (var i = -WarmUps; i < repetitions; i++)
        {
            for (var e = 0; e < engines.Count; e++)
            {
                var start = Stopwatch.GetTimestamp();
                engines[e].Forward(images).Dispose();
                if (i >= 0)
                    times[e].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }
        return [.. times.Select(list => list.Order().ElementAt(list.Count / 2))];
    }

    /// <summary>Rounded to nearest with ranges from noise: speed does not depend on the numbers.</summary>
    private static Network Quantize(Network network, int weightBits, int activationBits, int inputSize)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(2);
        var options = new RoundToNearestOptions
        {
            WeightBits = weightBits,
            ActivationBits = activationBits,
            Calibration = new() { Observer = RangeObserverKind.MinMax },
            Moments = SentMoments.Nothing,
        };
        return NetworkQuantizer.Quantize(network, torch.randn([CalibrationImages, 3, inputSize, inputSize], generator: generator), options, seed: 1);
    }
}
