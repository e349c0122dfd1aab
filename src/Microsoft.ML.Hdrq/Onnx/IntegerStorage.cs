using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a file stores the integers of a quantizer.</summary>
/// <param name="Type">The element type.</param>
/// <param name="ZeroPoint">The zero point, which is added to the quantizer's integers.</param>
internal readonly record struct IntegerStorage(ElementType Type, int ZeroPoint)
{
    /// <summary>The element type in which a runtime computes with the integers.</summary>
    public ElementType ComputedType => Type switch
    {
        ElementType.Int4 => ElementType.Int8,
        ElementType.UInt4 => ElementType.UInt8,
        _ => Type,
    };

    /// <summary>
    /// The smallest and the largest integer of a quantizer whose integers fill this type; null for a type in which no
    /// quantizer is stored.
    /// </summary>
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

    /// <summary>How activations are stored: as unsigned integers, which the kernels for x86 take.</summary>
    public static IntegerStorage OfActivation(FakeQuantize quantizer) => Unsigned(ElementType.UInt8, quantizer.Range);

    /// <summary>
    /// How a weight is stored. x86 CPUs without VNNI multiply unsigned by signed bytes in pairs and hold each pair's
    /// sum within 16 bits. <c>2 * 255 * 128</c> exceeds 16 bits, so signed 8-bit weights silently give wrong sums
    /// there. Unsigned weights are multiplied in another way, which is exact on every CPU, and slow on those with VNNI.
    /// Weights within <see cref="QuantizationRange.Reduced"/> cannot overflow.
    /// </summary>
    /// <param name="quantizer">The weight's quantizer.</param>
    /// <param name="opset">The file's opset.</param>
    /// <param name="keepSigned">
    /// Whether 8-bit weights stay signed nevertheless, because the reader's CPU is known or the layer's products are
    /// small.
    /// </param>
    public static IntegerStorage OfWeight(FakeQuantize quantizer, int opset, bool keepSigned) => quantizer.Range switch
    {
        { Bits: <= 4, IsSigned: true, Minimum: >= -8, Maximum: <= 7 } when opset >= QuantizerForms.FourBitsOpset =>
            new(ElementType.Int4, 0),
        { Bits: <= 4 } range when opset >= QuantizerForms.FourBitsOpset => Unsigned(ElementType.UInt4, range),
        { IsSigned: true } range when range.IsWithin(QuantizationRange.Reduced) => new(ElementType.Int8, 0),
        { IsSigned: true, Minimum: >= sbyte.MinValue, Maximum: <= sbyte.MaxValue } when keepSigned =>
            new(ElementType.Int8, 0),
        var range => Unsigned(ElementType.UInt8, range),
    };

    /// <summary>Stores the smallest integer as 0, so that the type itself clips from below.</summary>
    private static IntegerStorage Unsigned(ElementType type, QuantizationRange range) => new(type, -range.Minimum);
}
