using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>Values that go into quantizers.</summary>
[TestClass]
public sealed class HistogramsTests
{
    [TestMethod]
    public void Values_are_counted_and_those_beyond_the_range_are_known()
    {
        using var scope = torch.NewDisposeScope();
        using var exact = AnalyticNetworks.Linear(torch.tensor(new float[,] { { 1, -3, 9, 2 } }));
        using var quantized = Quantized(torch.tensor(new float[,] { { 1, -3, 7, 2 } }));
        // Two bits for inputs, 0 to 3: of eight values one is 4, more than half a step beyond.
        var histograms = Histograms.Measure(
            exact, quantized, AnalyticNetworks.Rows(
                new float[,] { { 0, 1, 2, 3 }, { 0, 0.5f, 3.4f, 4 } }, batchSize: 1), default);
        Assert.HasCount(2, histograms);
        var (weight, input) = (histograms[0], histograms[1]);
        Assert.AreEqual(("y", true, 4, -8.0, 7.0, 0.25),
            (weight.Name, weight.IsWeight, weight.Bits, weight.Minimum, weight.Maximum, weight.ClippedShare));
        Assert.AreEqual(("x", false, 2, 0.0, 3.0, 0.125),
            (input.Name, input.IsWeight, input.Bits, input.Minimum, input.Maximum, input.ClippedShare));
        Assert.AreEqual(4, weight.Counts.Sum());
        Assert.AreEqual(8, input.Counts.Sum());
        // Every value is in the bin that it belongs to; 9 and 4 lie beyond the last one.
        foreach (var (value, histogram) in new[] { (1.0, weight), (-3.0, weight), (2.0, weight), (9.0, weight),
            (0.5, input), (4.0, input) })
        {
            var bin = Math.Clamp((int)((value - histogram.Start) / (
                histogram.End - histogram.Start) * histogram.Counts.Length), 0, histogram.Counts.Length - 1);
            Assert.IsGreaterThan(0, histogram.Counts[bin], $"{value}");
        }
    }

    [TestMethod]
    public void Nothing_is_left_in_memory()
    {
        using var weight = torch.tensor(new float[,] { { 1, -3, 7, 2 } });
        using var exact = AnalyticNetworks.Linear(weight);
        using var quantized = Quantized(weight);
        using var images = torch.ones(3, 4);
        using var labels = torch.zeros(3, torch.int64);
        LiveTensors.AssertUnchanged(() => Histograms.Measure(exact, quantized, new Evaluation(images, labels, 2), default));
    }

    private static Network Quantized(torch.Tensor weight)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 4);
        Quantizer(builder, "x", new QuantizationRange(2, isSigned: false), "xq");
        Quantizer(builder, builder.Parameter("weight", weight.clone()), new QuantizationRange(4, isSigned: true), "wq");
        builder.Node("Gemm", "y", ["xq", "wq"], ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 1]));
    }

    private static void Quantizer(NetworkBuilder builder, string value, QuantizationRange range, string output) =>
        builder.Node(new GraphNode(output, Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range)),
            [value, builder.Parameter($"{value}.scale", torch.tensor(1f))], [output]));
}
