using Microsoft.ML.Hdrq.Networks;
using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class QuantizationTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(10);
        yield return new("QuantizeLinear", "unsigned bytes without a zero point", [v.Between(-1, 40, 4, 5), Scalar(0.1f)]);
        yield return new("QuantizeLinear", "halves to even",
            [Fed([0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f], 6), Scalar(1f), Scalar<sbyte>(0)]);
        yield return new("QuantizeLinear", "saturated signed bytes",
            [v.Between(-20, 20, 4, 5), Scalar(0.1f), Scalar<sbyte>(-5)]);
        yield return new("QuantizeLinear", "signed 16 bits",
            [v.Between(-20, 20, 4, 5), Scalar(0.0004f), Scalar<short>(100)]);
        yield return new("QuantizeLinear", "per channel",
            [v.Floats(2, 3, 4), Constant(v.Between(0.01, 0.03, 3)), Constant(v.Integers<byte>(100, 150, 3))]);
        yield return new("QuantizeLinear", "negative axis",
            [v.Floats(2, 3, 4), Constant(v.Between(0.01, 0.03, 4)), Constant(v.Integers<sbyte>(-20, 20, 4))],
            ("axis", -1L));
        yield return new("QuantizeLinear", "signed 4 bits",
            [v.Between(-2, 2, 4, 5), Scalar(0.2f), new(new TensorData(ElementType.Int4, [], [1]), IsConstant: true)],
            ("output_dtype", 22L))
        { GivesFourBits = true };
        yield return new("QuantizeLinear", "unsigned 4 bits, no zero point", [v.Between(-1, 5, 4, 5), Scalar(0.2f)],
            ("output_dtype", 21L))
        { GivesFourBits = true };
        yield return new("QuantizeLinear", "signed bytes by attribute", [v.Between(-20, 20, 4, 5), Scalar(0.1f)],
            ("output_dtype", 3L));
        yield return new("QuantizeLinear", "blocks, the last shorter",
            [v.Floats(3, 7), Constant(v.Between(0.01, 0.03, 3, 3)), Constant(v.Integers<byte>(100, 150, 3, 3))],
            ("axis", 1L), ("block_size", 3L));
        yield return new("DequantizeLinear", "unsigned bytes",
            [v.Integers<byte>(0, 256, 4, 5), Scalar(0.1f), Scalar<byte>(128)]);
        yield return new("DequantizeLinear", "signed bytes without a zero point",
            [v.Integers<sbyte>(-128, 128, 4, 5), Scalar(0.1f)]);
        yield return new("DequantizeLinear", "32-bit bias per channel",
            [v.Integers<int>(-100000, 100000, 6), Constant(v.Between(0.0001, 0.0003, 6))], ("axis", 0L));
        yield return new("DequantizeLinear", "16 bits",
            [v.Integers<short>(-32768, 32767, 6), Scalar(0.001f), Scalar<short>(-77)]);
        yield return new("DequantizeLinear", "per channel, axis 0",
            [v.Integers<sbyte>(-128, 128, 3, 2, 2), Constant(v.Between(0.01, 0.03, 3)),
                Constant(v.Integers<sbyte>(-20, 20, 3))], ("axis", 0L));
        yield return new("DequantizeLinear", "per channel, negative axis",
            [v.Integers<byte>(0, 256, 3, 2, 4), Constant(v.Between(0.01, 0.03, 4))], ("axis", -1L));
        yield return new("DequantizeLinear", "signed 4-bit weights",
            [new(new TensorData(ElementType.Int4, [2, 3], [0xF8, 0xFF, 0, 1, 3, 7]), IsConstant: true),
                Fed([0.5f, 0.25f], 2)], ("axis", 0L));
        yield return new("DequantizeLinear", "blocks along axis 0",
            [v.Integers<sbyte>(-128, 128, 6, 4), Constant(v.Between(0.01, 0.03, 3, 4)),
                Constant(v.Integers<sbyte>(-20, 20, 3, 4))], ("axis", 0L), ("block_size", 2L));
        yield return new("DequantizeLinear", "blocks, the last shorter",
            [v.Integers<byte>(0, 256, 3, 7), Constant(v.Between(0.01, 0.03, 3, 3))], ("axis", 1L), ("block_size", 3L));
        // Gradients are those of the straight-through estimator, whose tests are with the quantizers of training.
        yield return new("FakeQuantize", "unsigned 8 bits", [v.Between(-1, 40, 4, 5), Scalar(0.1f)], ("minimum", 0L),
            ("maximum", 255L))
        { OldestOpset = 10, Differentiable = false };
        yield return new("FakeQuantize", "signed 3 bits, halves to even",
            [Fed([0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -9], 6), Scalar(1f)], ("minimum", -4L),
            ("maximum", 3L))
        { OldestOpset = 12, Differentiable = false };
        yield return new("FakeQuantize", "zero point 29", [v.Between(-9, 9, 4, 5), Scalar(0.05f)], ("minimum", -29L),
            ("maximum", 226L))
        { OldestOpset = 10, Differentiable = false };
        yield return new("FakeQuantize", "per channel", [v.Floats(2, 3, 4), Constant(v.Between(0.01, 0.3, 3))],
            ("minimum", -8L), ("maximum", 7L), ("axis", 1L))
        { OldestOpset = 13, Differentiable = false };
    }
}
