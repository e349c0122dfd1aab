using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class MergedLayerTests
{
    /// <summary>
    /// What differs in the last digits from 0, below it or above it, is 0, and not -0 either, which has other bytes:
    /// these digits depend on where in memory the numbers are.
    /// </summary>
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1e-16)]
    [DataRow(-1e-16)]
    public void A_bias_that_should_be_0_is(double error)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var output = builder.Node("Gemm", "linear", [
            builder.Input("input", -1, 2), builder.Parameter("weight", torch.rand(2, 3)),
            builder.Parameter("bias", torch.rand(3)),
        ]);
        using var network = builder.Build(new GraphValue(output, ElementType.Float32, [-1, 3]));
        var layer = new MergedLayer(network.Graph.Layers.MatrixProducts.Single(), network.Graph);
        // W m is 0.5 and -0.25 and 0, exactly.
        var matrix = torch.tensor(new[] { 1.0, 0.5, -0.5, 0.25, 0, 0 }).reshape(3, 2);
        var inputMean = torch.tensor(new[] { 0.5, 0 });
        var outputMean = torch.tensor(new[] { 0.5, -0.25, 0 }).add(error);

        var target = layer.Target(matrix, inputMean, outputMean, weight => weight.Nearest(), _ => []);
        var bias = target.Bias!.Of(target.Values);
        CollectionAssert.AreEqual(new double[3], bias);
        CollectionAssert.AreEqual(
            new long[3], bias.Select(BitConverter.DoubleToInt64Bits).ToArray(), string.Join(' ', bias));
    }
}
