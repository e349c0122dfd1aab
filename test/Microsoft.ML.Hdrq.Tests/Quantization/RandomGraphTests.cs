using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>
/// Networks of joins, pools, splits, reshapes and shared weights, put together at random: eight bits without training
/// change scores by no more than rounding, at any batch size, and every layer is accounted for.
/// </summary>
[TestClass]
public sealed class RandomGraphTests
{
    private const int Seeds = 40;

    private static IEnumerable<int> AllSeeds => Enumerable.Range(0, Seeds);

    [TestMethod]
    [DynamicData(nameof(AllSeeds))]
    public void EightBitsWithoutTrainingAreOnlyRounding(int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var network = RandomGraph.Build(seed);
        var images = SmallNetworks.Random(seed, 7, RandomGraph.Channels, RandomGraph.Size, RandomGraph.Size);
        var exact = network.Forward(images);
        using var nearest = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = 8, ActivationBits = 8 });
        Assert.IsLessThanOrEqualTo(0.1, Distance(exact, nearest.Forward(images)), "rounding");

        Assert.IsEmpty(nearest.Graph.Layers.Weighted.Where(layer => layer.WeightQuantizer is null)
            .Select(layer => layer.Name), "not quantized");
        var report = OnnxReport.Of(nearest);
        Assert.HasCount(NeededNodes.Backwards(network.Graph.Nodes, ["y"]).Count(network.Graph.Flow.IsWeighted),
            report.Layers);
        Assert.IsEmpty(report.Layers.Where(layer => !layer.IsInteger && string.IsNullOrEmpty(layer.Reason)),
            "without a reason");

        // Blocks are computed one after the other, whole or layer by layer, and each from what the blocks before it gave.
        foreach (var batchSize in new[] { 1, 3, 16 })
        {
            var calibration = new CalibrationOptions { BatchSize = batchSize };
            var hdrq = new HdrqOptions
            {
                WeightBits = 8,
                ActivationBits = 8,
                Calibration = calibration,
                Training = new HdrqTraining { Iterations = 0, BatchSize = batchSize }
            };
            using var blockByBlock = NetworkQuantizer.Quantize(network, images, hdrq);
            Assert.IsLessThanOrEqualTo(0.1, Distance(exact, blockByBlock.Forward(images)), $"batches of {batchSize}");
        }
        AssertRowsAreAlone(nearest, images);
    }

    [TestMethod]
    [DynamicData(nameof(AllSeeds))]
    public void EveryMethodTrainsEveryGraph(int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var network = RandomGraph.Build(seed);
        var images = SmallNetworks.Random(seed, 5, RandomGraph.Channels, RandomGraph.Size, RandomGraph.Size);
        var exact = network.Forward(images);
        QuantizationOptions[] methods =
        [
            new HdrqOptions { Source = network, Training = new HdrqTraining { Iterations = 3, BatchSize = 2 } },
            new AdaRoundOptions { Training = new RoundingTraining { Iterations = 3, BatchSize = 2 } },
            new BrecqOptions { Training = new RoundingTraining { Iterations = 3, BatchSize = 2 } },
        ];
        foreach (var method in methods)
        {
            using var quantized = NetworkQuantizer.Quantize(
                network, images, method with { WeightBits = 8, ActivationBits = 8 }, seed);
            Assert.IsLessThanOrEqualTo(0.2, Distance(exact, quantized.Forward(images)), method.GetType().Name);
            AssertRowsAreAlone(quantized, images);
        }
    }

    /// <summary>What a detector ends in has no row for each image, and stays as it is.</summary>
    [TestMethod]
    public void BoxesAreChosenInFloatingPoint()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 8, 8);
        var features = builder.Node("Relu", "features", [builder.Convolve("stem", "x")]);
        var boxes = builder.Node("Reshape", "boxes",
            [builder.Convolve("box", features), builder.Constant("box.shape", 0, 32, 4)]);
        var scores = builder.Node("Reshape", "scores",
            [builder.Convolve("score", features, 2, 4), builder.Constant("score.shape", 0, 8, 32)]);
        builder.Node("NonMaxSuppression", "y", [boxes, scores, builder.Constant("most", 3)]);
        using var network = builder.Build(new GraphValue("y", ElementType.Int64, [-1, 3]));
        var images = SmallNetworks.Random(1, 4, 2, 8, 8);
        using var quantized = NetworkQuantizer.Quantize(
            network, images, new HdrqOptions
            {
                WeightBits = 8,
                ActivationBits = 8,
                Training = new HdrqTraining { Iterations = 2 }
            });
        Assert.HasCount(3, quantized.Graph.Layers.Weighted.Where(layer => layer.WeightQuantizer is not null));
        var chosen = quantized.Run([images], ForwardMode.Inference)[0];
        Assert.AreEqual(3, chosen.shape[1]);
        Assert.HasCount(3, OnnxReport.Of(quantized).Layers);
    }

    /// <summary>Asserts that a row's scores do not depend on the rows beside it.</summary>
    private static void AssertRowsAreAlone(Network network, torch.Tensor images)
    {
        var together = network.Forward(images);
        var alone = torch.cat([.. Enumerable.Range(0, (int)images.shape[0])
            .Select(row => network.Forward(images.narrow(0, row, 1)))]);
        // Sums in another order may round to the next integer here and there.
        Assert.IsLessThanOrEqualTo(0.02, Distance(together, alone), "alone");
    }

    private static double Distance(torch.Tensor expected, torch.Tensor actual) =>
        (expected.sub(actual).norm() / expected.norm()).item<float>();
}
