using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a file keeps the integers of a quantizer.</summary>
/// <param name="Type">Their type.</param>
/// <param name="ZeroPoint">What is added to them: 128 where signed integers are kept as unsigned ones.</param>
internal readonly record struct IntegerStorage(ElementType Type, int ZeroPoint)
{
    private const int SignedAsUnsigned = 128;

    /// <summary>The type in which a runtime computes with them.</summary>
    public ElementType ComputedType => Type switch
    {
        ElementType.Int4 => ElementType.Int8,
        ElementType.UInt4 => ElementType.UInt8,
        _ => Type,
    };

    /// <summary>Whether a quantizer of which integers are kept so is signed; null where no quantizer's are.</summary>
    public bool? IsSigned => (Type, ZeroPoint) switch
    {
        (ElementType.Int8 or ElementType.Int4, 0) => true,
        (ElementType.UInt8, SignedAsUnsigned) => true,
        (ElementType.UInt8 or ElementType.UInt4, 0) => false,
        _ => null,
    };

    /// <summary>
    /// How activations are kept: in unsigned integers, because that is what the kernels for x86 take.
    /// </summary>
    public static IntegerStorage OfActivation(FakeQuantize quantizer) => new(ElementType.UInt8, quantizer.Range.IsSigned ? SignedAsUnsigned : 0);

    /// <summary>
    /// How a weight is kept. Before they had VNNI, x86 CPUs multiplied unsigned by signed bytes in pairs whose sum was held within 16 bits: <c>2 * 255 * 128</c> is more than these
    /// hold, so signed weights of 8 bits give wrong sums there, without a word. Unsigned ones are multiplied in another way, which is exact on every CPU. Up to 7 bits
    /// (<c>2 * 255 * 64</c>) nothing can happen.
    /// </summary>
    /// <param name="quantizer">The weight's quantizer.</param>
    /// <param name="opset">The file's opset.</param>
    /// <param name="keepSigned">Whether weights of 8 bits stay signed all the same.</param>
    public static IntegerStorage OfWeight(FakeQuantize quantizer, int opset, bool keepSigned) => quantizer.Range switch
    {
        { Bits: <= 4, IsSigned: var isSigned } when opset >= QuantizerForms.FourBitsOpset => new(isSigned ? ElementType.Int4 : ElementType.UInt4, 0),
        { Bits: 8, IsSigned: true } when !keepSigned => new(ElementType.UInt8, SignedAsUnsigned),
        { IsSigned: true } => new(ElementType.Int8, 0),
        _ => new(ElementType.UInt8, 0),
    };
}
