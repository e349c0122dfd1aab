using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>
/// Weights of 8 bits with the integers -64 to 64: they are found and trained there, and stay there in files and merges.
/// </summary>
[TestClass]
public sealed class ReducedRangeTests
{
    private static readonly HdrqOptions _hdrq = new() { Training = new HdrqTraining { Iterations = 3, BatchSize = 4 } };

    private static IEnumerable<object[]> Methods =>
    [
        [new RoundToNearestOptions()],
        [_hdrq],
        [new AdaRoundOptions { Training = new() { Iterations = 3, BatchSize = 4 } }],
        [new BrecqOptions { Training = new() { Iterations = 3, BatchSize = 4 } }],
        [new QDropOptions { Training = new() { Iterations = 3, BatchSize = 4 } }],
    ];

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void Every_method_trains_in_it_and_the_file_holds_what_was_trained(QuantizationOptions options)
    {
        using var network = Quantized(1, options);
        AssertReduced(network);
        var file = OnnxModels.Save(network);
        var weights = OnnxModels.Weights(file);
        Assert.HasCount(8, weights);
        foreach (var weight in weights)
        {
            Assert.AreEqual((int)ElementType.Int8, weight.DataType);
            Assert.IsTrue(weight.RawData.Select(value => (sbyte)value).All(integer => integer is >= -64 and <= 64));
        }
        using var again = OnnxModels.Load(file);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
        using var scope = torch.NewDisposeScope();
        foreach (var layer in network.Graph.Layers.All)
            Assert.IsTrue(layer.Value(network).eq(again.Parameters[layer.Weight].detach()).all().item<bool>());
        CollectionAssert.AreEqual(file, OnnxModels.Save(again));
    }

    // Scales are those of the range: the largest weight of a channel is its largest integer.
    [TestMethod]
    public void Scales_are_those_of_the_range()
    {
        var calibration = new CalibrationOptions { Observer = RangeObserverKind.MinMax };
        using var network = Quantized(1, new RoundToNearestOptions { Calibration = calibration });
        foreach (var layer in network.Graph.Layers.All)
        {
            using var scope = torch.NewDisposeScope();
            var largest = Integers(network, layer).abs().flatten(1).amax([1]);
            Assert.IsTrue(largest.eq(torch.tensor(64f)).all().item<bool>());
        }
    }

    // Files of the full range are unsigned, as they were before there was another, and the same when written again.
    [TestMethod]
    public void The_full_range_is_an_option_and_its_files_stay_as_they_are()
    {
        using var network = Quantized(1, new RoundToNearestOptions { ReduceRange = false });
        var full = new QuantizationRange(8, isSigned: true);
        Assert.IsTrue(network.Graph.Layers.All.All(layer => layer.WeightQuantizer!.Operator.Range == full));
        var file = OnnxModels.Save(network);
        Assert.IsTrue(OnnxModels.Weights(file).All(weight => weight.DataType == (int)ElementType.UInt8));
        using var again = OnnxModels.Load(file);
        CollectionAssert.AreEqual(file, OnnxModels.Save(again));
        QuantizationOptions[] papers =
        [
            HdrqOptions.Paper, BrecqOptions.Paper, QDropOptions.Paper, AdaRoundOptions.Paper,
            RoundToNearestOptions.Paper,
        ];
        Assert.IsFalse(papers.Any(options => options.ReduceRange));
    }

    [TestMethod]
    [DataRow(8, 8, true)]
    [DataRow(8, 8, false)]
    [DataRow(4, 4, true)]
    public void A_site_hands_its_ranges_on_to_another(int weightBits, int activationBits, bool reduceRange)
    {
        var options = new RoundToNearestOptions { ReduceRange = reduceRange };
        using var first = Quantized(1, options with { WeightBits = weightBits, ActivationBits = activationBits });
        // The other site's options would give layers of 8 bits another range.
        var overrides = LayerOverride.Of(first);
        var others = options with { ReduceRange = !reduceRange, Overrides = overrides };
        using var second = Quantized(2, others);
        Assert.IsNull(first.Graph.FirstDifference(second.Graph));
        var reduced = reduceRange ? "true" : "false";
        Assert.AreEqual(
            $"new(@\"^conv1$\") {{ WeightBits = 8, ActivationBits = 8, ReduceRange = {reduced} }}",
            overrides[0].ToString());
    }

    [TestMethod]
    public void Merged_networks_stay_in_it()
    {
        using var a = Quantized(1, _hdrq with { Moments = new() { MinImages = 2 } });
        using var b = Quantized(2, _hdrq with { Moments = new() { MinImages = 2 } });
        foreach (var method in new[] { MergeMethod.Mean(), MergeMethod.RegMean() })
        {
            using var merged = NetworkMerger.Merge([a, b], new() { Method = method, AllowDifferentSources = true });
            AssertReduced(merged);
        }
    }

    private static void AssertReduced(Network network)
    {
        foreach (var layer in network.Graph.Layers.All)
        {
            using var scope = torch.NewDisposeScope();
            Assert.AreEqual(QuantizationRange.Reduced, layer.WeightQuantizer!.Operator.Range);
            Assert.AreEqual(8, layer.WeightBits);
            Assert.IsLessThanOrEqualTo(64, Integers(network, layer).abs().max().item<float>());
        }
    }

    private static torch.Tensor Integers(Network network, Layer layer) => layer.WeightQuantizer!.Operator
        .Integers(network.Parameters[layer.Weight].detach(), network.Parameters[layer.WeightQuantizer.Scale].detach());

    private static Network Quantized(int seed, QuantizationOptions options)
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using (torch.no_grad())
        {
            foreach (var weight in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight))
                network.Parameters[weight.Name].add_(SmallNetworks.Random(seed, weight.Shape.ToArray()), 0.1);
        }
        return NetworkQuantizer.Quantize(network, SmallNetworks.Random(10 + seed, 8, 3, 8, 8), options, seed: 1);
    }
}
