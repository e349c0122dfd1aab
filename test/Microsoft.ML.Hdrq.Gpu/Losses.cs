using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Collects the losses of all steps, in order.</summary>
internal sealed class Losses : IProgress<QuantizationProgress>, IProgress<FineTuningProgress>
{
    public List<double> Values { get; } = [];

    public List<string> Blocks { get; } = [];

    public void Report(QuantizationProgress value)
    {
        Values.Add(value.Loss);
        Blocks.Add(value.Block);
    }

    public void Report(FineTuningProgress value) => Values.Add(value.Loss);

    /// <summary>The median and the largest relative difference from other losses, step by step.</summary>
    public (double Median, double Largest) Differences(Losses other)
    {
        if (Values.Count != other.Values.Count || Values.Count == 0)
            return (double.PositiveInfinity, double.PositiveInfinity);
        var differences = Values.Zip(other.Values, (x, y) => Math.Abs(x - y) / Math.Max(1e-6, Math.Abs(x))).Order()
            .ToArray();
        return (differences[differences.Length / 2], differences[^1]);
    }

    /// <summary>The mean of all losses of a block relative to another run's, for each block.</summary>
    public double[] Ratios(Losses other) =>
    [
        .. Blocks.Distinct().Select(block =>
            other.Mean(block) / Math.Max(1e-9, Mean(block))),
    ];

    private double Mean(string block) => Values.Where((_, i) => Blocks[i] == block).Average();
}
