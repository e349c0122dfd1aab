using System.Globalization;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>Memory while one block is trained: it must not grow with the steps.</summary>
public static class ReconstructionMemoryBenchmark
{
    private const int Iterations = 2000;
    private const int Interval = 250;

    /// <summary>Trains a block of ResNet-20 at W4A4 and writes a line every 250 steps.</summary>
    /// <param name="output">Where the lines go.</param>
    public static void Run(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var scope = torch.NewDisposeScope();
        using var original = ResNet.Cifar(20, 10, seed: 1);
        using var folded = FoldBatchNormalization.Apply(original);
        using var generator = new torch.Generator(1);
        var sites = QuantizerSites.Find(folded, QuantizerPlacement.Integer, 4, 4, [], reduceRange: true);
        using var quantized = Calibration.Apply(
            folded, sites, [torch.rand([8, 3, 32, 32], generator: generator)], new CalibrationOptions(),
            perChannel: false, CancellationToken.None);
        var block = BlockPartition.Find(quantized.Graph)[1];
        var inputs = torch.rand([64, 16, 32, 32], generator: generator);
        using var training = new BlockReconstruction(
            quantized, block, folded.Parameters, HdrqTraining.Paper with { Iterations = Iterations }, seed: 1);
        output.WriteLine(" step  resident MB  live tensors");
        training.Train(BlockData.Of(inputs, inputs, inputs), (step, _) =>
        {
            // The first line is after some steps: whatever they set up is there.
            if (step % Interval != 0 && step != 10)
                return;
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{step,5}  {Environment.WorkingSet / 1048576.0,11:F1}  {torch.Tensor.TotalCount,12}"));
            output.Flush();
        }, CancellationToken.None);
    }
}
