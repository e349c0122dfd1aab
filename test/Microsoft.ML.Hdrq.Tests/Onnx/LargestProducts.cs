using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Layers of which all products are the same and as large as their bits allow. Pairs of products that do not fit into
/// 16 bits are held there by kernels for signed weights without VNNI.
/// </summary>
internal static class LargestProducts
{
    /// <summary>What all scores are multiples of.</summary>
    public const float OutputScale = 32768;

    /// <summary>A layer with integer weights, unsigned input and no bias.</summary>
    /// <param name="layer"><c>Conv</c>, on [-1, 8, 6, 6], with a kernel of this size, or <c>Gemm</c>, on [-1, 72].</param>
    /// <param name="kernel">The size of the kernel.</param>
    /// <param name="weight">The weight's range.</param>
    /// <param name="activationBits">The input's bits.</param>
    /// <param name="perChannel">Whether the weight has a scale for each channel.</param>
    /// <param name="integer">All of the weight's integers.</param>
    public static Network Create(
        string layer, int kernel, QuantizationRange weight, int activationBits, bool perChannel, int integer)
    {
        var isGemm = layer == "Gemm";
        using var builder = new NetworkBuilder();
        builder.Input("x", isGemm ? [-1, 72] : [-1, 8, 6, 6]);
        Quantizer("x", new QuantizationRange(activationBits, isSigned: false), torch.tensor(1f), null);
        builder.Parameter("w", torch.full(isGemm ? [16, 72] : [16, 8, kernel, kernel], (float)integer));
        Quantizer("w", weight, perChannel ? torch.ones(16) : torch.tensor(1f), perChannel ? 0 : null);
        if (isGemm)
            builder.Node("Gemm", "c", ["x.quantized", "w.quantized"], ("transB", 1));
        else
            builder.Node("Conv", "c", ["x.quantized", "w.quantized"]);
        Quantizer("c", new QuantizationRange(8, isSigned: true), torch.tensor(OutputScale), null);
        return builder.Build(new GraphValue(
            "c.quantized", ElementType.Float32, isGemm ? [-1, 16] : [-1, 16, 7 - kernel, 7 - kernel]));

        void Quantizer(string value, QuantizationRange range, torch.Tensor scale, long? axis)
        {
            builder.Parameter($"{value}.scale", scale);
            builder.Node(new GraphNode($"{value}.quantizer",
                Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis)), [value, $"{value}.scale"],
                [$"{value}.quantized"]));
        }
    }

    /// <summary>The score of a sum of products of which every one is the greatest.</summary>
    public static float Score(int products, int activationBits, int integer) =>
        MathF.Round((float)products * ((1 << activationBits) - 1) * integer / OutputScale) * OutputScale;
}
