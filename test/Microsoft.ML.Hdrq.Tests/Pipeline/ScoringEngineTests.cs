using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
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

    [TestMethod]
    public void Full_precision_goes_to_ONNX_Runtime_and_simulation_to_Torch()
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var exact = ScoringEngine.For(network);
        Assert.IsInstanceOfType<OnnxRuntimeEngine>(exact);
        using var quantized = NetworkQuantizer.Quantize(network, null, torch.rand(4, 3, 8, 8), new QuantizationSettings { Reconstruction = null }, 1, null, CancellationToken.None);
        using var simulated = ScoringEngine.For(quantized);
        Assert.IsInstanceOfType<TorchEngine>(simulated);
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
