using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a file keeps the integers of a quantizer.</summary>
/// <param name="Type">Their type.</param>
/// <param name="ZeroPoint">What is added to them.</param>
internal readonly record struct IntegerStorage(ElementType Type, int ZeroPoint)
{
    /// <summary>The type in which a runtime computes with them.</summary>
    public ElementType ComputedType => Type switch
    {
        ElementType.Int4 => ElementType.Int8,
        ElementType.UInt4 => ElementType.UInt8,
        _ => Type,
    };

    /// <summary>The least and the greatest integer of a quantizer of which integers are kept so; null where no quantizer's are.</summary>
    public (int Minimum, int Maximum)? Bounds => Type switch
    {
        ElementType.Int8 => (sbyte.MinValue - ZeroPoint, sbyte.MaxValue - ZeroPoint),
        ElementType.UInt8 => (-ZeroPoint, byte.MaxValue - ZeroPoint),
        ElementType.Int4 => (-8 - ZeroPoint, 7 - ZeroPoint),
        ElementType.UInt4 => (-ZeroPoint, 15 - ZeroPoint),
        _ => null,
    };

    /// <summary>Whether the type has more integers than a quantizer.</summary>
    public bool IsWiderThan(QuantizationRange range) => Bounds != (range.Minimum, range.Maximum);

    /// <summary>How activations are kept: in unsigned integers, because that is what the kernels for x86 take.</summary>
    public static IntegerStorage OfActivation(FakeQuantize quantizer) => Unsigned(ElementType.UInt8, quantizer.Range);

    /// <summary>
    /// How a weight is kept. Before they had VNNI, x86 CPUs multiplied unsigned by signed bytes in pairs whose sum was held within 16 bits: <c>2 * 255 * 128</c> is more than these
    /// hold, so signed weights of 8 bits give wrong sums there, without a word. Unsigned ones are multiplied in another way, which is exact on every CPU. Up to 7 bits
    /// (<c>2 * 255 * 64</c>) nothing can happen.
    /// </summary>
    /// <param name="quantizer">The weight's quantizer.</param>
    /// <param name="opset">The file's opset.</param>
    /// <param name="keepSigned">Whether weights of 8 bits stay signed all the same, because the reader's CPU is known or the layer's products are small.</param>
    public static IntegerStorage OfWeight(FakeQuantize quantizer, int opset, bool keepSigned) => quantizer.Range switch
    {
        { Bits: <= 4, IsSigned: true, Minimum: >= -8, Maximum: <= 7 } when opset >= QuantizerForms.FourBitsOpset => new(ElementType.Int4, 0),
        { Bits: <= 4 } range when opset >= QuantizerForms.FourBitsOpset => Unsigned(ElementType.UInt4, range),
        { IsSigned: true, Minimum: >= -64, Maximum: <= 63 } => new(ElementType.Int8, 0),
        { IsSigned: true, Minimum: >= sbyte.MinValue, Maximum: <= sbyte.MaxValue } when keepSigned => new(ElementType.Int8, 0),
        var range => Unsigned(ElementType.UInt8, range),
    };

    /// <summary>The least integer is kept as 0, so that the type itself clips from below.</summary>
    private static IntegerStorage Unsigned(ElementType type, QuantizationRange range) => new(type, -range.Minimum);
}
