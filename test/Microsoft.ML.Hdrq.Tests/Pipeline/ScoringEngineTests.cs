using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Onnx;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ScoringEngineTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(5)]
    public void Both_engines_give_the_same_scores(int rows)
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 10, seed: 1);
        using var folded = FoldBatchNormalization.Apply(network);
        using var torchEngine = new TorchEngine(folded);
        using var onnxRuntime = new OnnxRuntimeEngine(folded);
        using var generator = new torch.Generator(3);
        // A part of a larger batch, as the last rows of the data are.
        var batch = torch.rand([8, 3, 32, 32], generator: generator).narrow(0, 2, rows);

        var (a, b) = (torchEngine.Forward(batch), onnxRuntime.Forward(batch));

        CollectionAssert.AreEqual(new long[] { rows, 10 }, b.shape);
        Assert.IsLessThan(1e-4f, a.sub(b).abs().max().item<float>());
    }

    /// <summary>ONNX Runtime takes padding to the same size of dilated kernels, and gives another size.</summary>
    [TestMethod]
    public void A_network_that_ONNX_Runtime_computes_otherwise_goes_to_Torch()
    {
        using var network = OnnxModels.Load(OnnxModels.ModelOf(13, [-1, 2, 7, 7], OnnxModels.Node("MaxPool", "x", "y",
            ("kernel_shape", new[] { 2L, 2 }), ("dilations", new[] { 2L, 2 }), ("auto_pad", "SAME_UPPER"))));
        using var scorer = new NetworkScorer(network, [2, 7, 7], softmax: false, ScoringEngineKind.Automatic, threads: 1);
        Assert.IsFalse(scorer.HasEngine);
        using var batch = scorer.NewBatch(2);
        batch.fill_(1f);
        var scores = new float[2 * scorer.ScoreSize];
        scorer.Score(batch, 2, scores);
        CollectionAssert.AreEqual(new long[] { 2, 7, 7 }, scorer.ScoreShape.ToArray());
        Assert.IsTrue(scores.All(score => score == 1));
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(
                () => new NetworkScorer(network, [2, 7, 7], softmax: false, ScoringEngineKind.OnnxRuntime,
                    threads: 1)).Message,
            "instead of [2, 7, 7]");
    }

    /// <summary>
    /// The smallest integer by -1: both are computed from the input, times 0. ONNX Runtime lets the processor end the
    /// process; the quotient in two's complement is the smallest integer again.
    /// </summary>
    [TestMethod]
    public void A_network_that_divides_integers_by_what_it_computes_never_goes_to_ONNX_Runtime()
    {
        using var network = OnnxModels.Load(OnnxModels.ModelOf(13, [-1, 4],
            OnnxModels.Longs("zero", 0), OnnxModels.Longs("smallest", long.MinValue), OnnxModels.Longs("minus", -1),
            OnnxModels.Node("Cast", "x", "i", ("to", 7)), OnnxModels.Node("Mul", "i zero", "n"),
            OnnxModels.Node("Add", "n smallest", "a"), OnnxModels.Node("Add", "n minus", "b"),
            OnnxModels.Node("Div", "a b", "q"), OnnxModels.Node("Cast", "q", "y", ("to", 1))));
        using var scorer = new NetworkScorer(network, [4], softmax: false, ScoringEngineKind.Automatic, threads: 1);
        using var batch = scorer.NewBatch(1);
        batch.fill_(1f);
        var scores = new float[scorer.ScoreSize];
        scorer.Score(batch, 1, scores);
        CollectionAssert.AreEqual(Enumerable.Repeat((float)long.MinValue, 4).ToArray(), scores);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(
                () => ScoringEngine.For(network, ScoringEngineKind.OnnxRuntime)).Message,
            "divides integers by others that it computes");
        Assert.IsEmpty(OnnxReport.Of(network).Layers);
    }

    [TestMethod]
    public void What_ONNX_Runtime_computes_exactly_goes_there_and_the_rest_to_Torch()
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        Assert.IsInstanceOfType<OnnxRuntimeEngine>(Engine(network));
        using var integers = Quantize(network, QuantizerPlacement.Integer);
        Assert.IsInstanceOfType<OnnxRuntimeEngine>(Engine(integers));
        using var paper = Quantize(network, QuantizerPlacement.Paper);
        Assert.IsInstanceOfType<TorchEngine>(Engine(paper));
        // A bias that is not one of the accumulators' integers would be rounded by the runtime.
        using (torch.no_grad())
            integers.Parameters["conv1.bias"].add_(1e-6f);
        Assert.IsInstanceOfType<TorchEngine>(Engine(integers));
        Assert.IsInstanceOfType<OnnxRuntimeEngine>(Engine(paper, ScoringEngineKind.OnnxRuntime));
        Assert.IsInstanceOfType<TorchEngine>(Engine(network, ScoringEngineKind.Torch));

        static ScoringEngine Engine(Network network, ScoringEngineKind kind = ScoringEngineKind.Automatic)
        {
            using var engine = ScoringEngine.For(network, kind, threads: 1);
            return engine;
        }
    }

    [TestMethod]
    [DataRow(8)]
    [DataRow(4)]
    public void Integer_kernels_give_the_scores_of_the_simulation(int bits)
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 10, seed: 1);
        using var quantized = Quantize(network, QuantizerPlacement.Integer, bits, size: 32);
        using var simulation = ScoringEngine.For(quantized, ScoringEngineKind.Torch);
        using var kernels = ScoringEngine.For(quantized);
        using var generator = new torch.Generator(3);
        var batch = torch.rand([32, 3, 32, 32], generator: generator);
        var expected = simulation.Forward(batch);
        var differences = expected.sub(kernels.Forward(batch)).abs().div(expected.max().sub(expected.min()));
        // One step of the scores, which are of 8 bits, where sums in single precision lie all but half-way between two.
        Assert.IsLessThan(0.02f, differences.max().item<float>());
        Assert.IsLessThan(0.001f, differences.mean().item<float>());
    }

    // Whatever CPU the test runs on: signed weights are for those whose kernels add their products exactly.
    [TestMethod]
    [DataRow("Conv", 3, 1)]
    [DataRow("Conv", 1, 5)]
    [DataRow("Gemm", 1, 1)]
    [DataRow("Gemm", 1, 33)]
    public void Sums_of_the_largest_products_are_exact(string layer, int kernel, int rows)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var integer in new[] { 127, -128 })
        {
            using var network = LargestProducts.Create(
                layer, kernel, new(8, isSigned: true), 8, perChannel: true, integer);
            using var engine = new OnnxRuntimeEngine(network);
            var scores = engine.Forward(torch.full(layer == "Gemm" ? [rows, 72] : [rows, 8, 6, 6], 255f));
            var expected = LargestProducts.Score(layer == "Gemm" ? 72 : 8 * kernel * kernel, 8, integer);
            Assert.IsTrue(scores.eq(expected).all().item<bool>(), $"{integer}");
        }
    }

    [TestMethod]
    public void An_engine_that_cannot_is_refused_by_name()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Node("Cast", "y", ["x"], ("to", (long)ElementType.Float64));
        using var network = builder.Build(new GraphValue("y", ElementType.Float64, [-1, 2]));
        using var engine = ScoringEngine.For(network);
        Assert.IsInstanceOfType<TorchEngine>(engine);
        var ml = new MLContext(1);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("y", "x", network, new() { Threads = 0 }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("y", "x", network, new() { Engine = (ScoringEngineKind)3 }));
    }

    private static Network Quantize(Network network, QuantizerPlacement placement, int bits = 8, int size = 8)
    {
        using var generator = new torch.Generator(2);
        return NetworkQuantizer.Quantize(network, torch.rand([8, 3, size, size], generator: generator),
            SmallNetworks.Nearest with { WeightBits = bits, ActivationBits = bits, Placement = placement }, seed: 1);
    }

    [TestMethod]
    public void An_engine_leaves_nothing_but_the_scores()
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var engine = new OnnxRuntimeEngine(network);
        using var batch = torch.zeros(4, 3, 8, 8);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        engine.Forward(batch).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }
}
