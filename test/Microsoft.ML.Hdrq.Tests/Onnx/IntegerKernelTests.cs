using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public sealed class IntegerKernelTests
{
    // Pairs of products up to 2 * 255 * 127 do not fit into 16 bits, where CPUs without VNNI hold them if the weights are signed bytes.
    [TestMethod]
    [DataRow(8, false, 127)]
    [DataRow(8, true, 127)]
    [DataRow(8, true, -128)]
    [DataRow(7, true, 63)]
    [DataRow(7, true, -64)]
    public void SumsOfTheLargestProductsAreExact(int bits, bool perChannel, int integer)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 8, 6, 6);
        Quantizer("x", new QuantizationRange(8, isSigned: false), torch.tensor(1f), null);
        builder.Parameter("w", torch.full([16, 8, 3, 3], (float)integer));
        Quantizer("w", new QuantizationRange(bits, isSigned: true), perChannel ? torch.ones(16) : torch.tensor(1f), perChannel ? 0 : null);
        builder.Node("Conv", "c", ["x.quantized", "w.quantized"]);
        Quantizer("c", new QuantizationRange(8, isSigned: true), torch.tensor(32768f), null);
        using var network = builder.Build(new GraphValue("c.quantized", ElementType.Float32, [-1, 16, 4, 4]));
        using var optimized = new OptimizedModel(Save(network));
        Assert.AreEqual(1, optimized.Count("QLinearConv"));
        Assert.AreEqual(0, optimized.Count("Conv"));
        // 72 products each.
        var expected = MathF.Round(72 * 255 * integer / 32768f) * 32768;
        foreach (var score in optimized.Run(torch.full([2, 8, 6, 6], 255f)))
            Assert.AreEqual(expected, score);

        void Quantizer(string value, QuantizationRange range, torch.Tensor scale, long? axis)
        {
            builder.Parameter($"{value}.scale", scale);
            builder.Node(new GraphNode($"{value}.quantizer", Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis)), [value, $"{value}.scale"], [$"{value}.quantized"]));
        }
    }
}
