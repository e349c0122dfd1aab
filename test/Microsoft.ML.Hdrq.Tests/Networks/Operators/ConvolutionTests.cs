using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class ConvolutionTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(1);
        yield return new("Conv", "one dimension, stride 2, bias",
            [v.Floats(2, 3, 9), Constant(v.Floats(4, 3, 3)), Constant(v.Floats(4))], ("strides", new long[] { 2 }),
            ("pads", new long[] { 1, 1 }));
        yield return new("Conv", "groups, dilations, uneven padding",
            [v.Floats(2, 4, 9, 8), Constant(v.Floats(6, 2, 3, 2)), Constant(v.Floats(6))], ("group", 2L),
            ("dilations", new long[] { 2, 3 }), ("pads", new long[] { 1, 2, 0, 3 }));
        yield return new("Conv", "depthwise", [v.Floats(2, 4, 7, 7), Constant(v.Floats(4, 1, 3, 3))], ("group", 4L),
            ("kernel_shape", new long[] { 3, 3 }), ("pads", new long[] { 1, 1, 1, 1 }));
        yield return new("Conv", "weights as an input", [v.Floats(1, 2, 5, 5), v.Floats(3, 2, 1, 1)]);
        yield return new("Conv", "three dimensions", [v.Floats(1, 2, 5, 4, 6), Constant(v.Floats(3, 2, 2, 3, 2))],
            ("strides", new long[] { 1, 2, 1 }), ("pads", new long[] { 0, 1, 0, 1, 1, 1 }));
        foreach (var padding in new[] { "SAME_UPPER", "SAME_LOWER", "VALID" })
            yield return new("Conv", $"{padding}, stride 2", [v.Floats(2, 2, 7, 6), Constant(v.Floats(3, 2, 4, 3))],
                ("auto_pad", padding), ("strides", new long[] { 2, 2 }), ("kernel_shape", new long[] { 4, 3 }));

        yield return new("ConvTranspose", "one dimension",
            [v.Floats(2, 3, 5), Constant(v.Floats(3, 2, 3)), Constant(v.Floats(2))], ("strides", new long[] { 2 }));
        yield return new("ConvTranspose", "groups, dilations, even padding",
            [v.Floats(2, 4, 5, 4), Constant(v.Floats(4, 3, 3, 3)), Constant(v.Floats(6))], ("group", 2L),
            ("dilations", new long[] { 2, 1 }), ("pads", new long[] { 1, 1, 1, 1 }));
        yield return new("ConvTranspose", "uneven padding, output padding, bias",
            [v.Floats(2, 2, 4, 5), Constant(v.Floats(2, 3, 3, 2)), Constant(v.Floats(3))],
            ("strides", new long[] { 3, 2 }), ("pads", new long[] { 1, 0, 0, 1 }),
            ("output_padding", new long[] { 2, 1 }));
        yield return new("ConvTranspose", "even padding, output padding",
            [v.Floats(1, 2, 4, 4), Constant(v.Floats(2, 3, 3, 3))], ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }), ("output_padding", new long[] { 1, 1 }));
        yield return new("ConvTranspose", "three dimensions",
            [v.Floats(1, 2, 3, 4, 2), Constant(v.Floats(2, 1, 2, 2, 2))], ("strides", new long[] { 2, 1, 2 }));
        foreach (var padding in new[] { "NOTSET", "SAME_UPPER", "SAME_LOWER" })
        {
            yield return new("ConvTranspose", $"output shape, {padding}",
                [v.Floats(1, 2, 4, 4), Constant(v.Floats(2, 3, 4, 3))], ("strides", new long[] { 2, 2 }),
                ("output_shape", new long[] { 7, 6 }), ("auto_pad", padding), ("kernel_shape", new long[] { 4, 3 }));
            yield return new("ConvTranspose", $"padding, {padding}",
                [v.Floats(1, 2, 4, 4), Constant(v.Floats(2, 3, 5, 4))], ("strides", new long[] { 2, 1 }),
                ("auto_pad", padding), ("kernel_shape", new long[] { 5, 4 }));
        }

        yield return new("Gemm", "both transposed, scaled, row bias",
            [v.Floats(4, 3), Constant(v.Floats(5, 4)), Constant(v.Floats(5))], ("transA", 1L), ("transB", 1L),
            ("alpha", 0.5f), ("beta", 2f));
        yield return new("Gemm", "column bias", [v.Floats(3, 4), Constant(v.Floats(4, 5)), Constant(v.Floats(3, 1))]);
        yield return new("Gemm", "no bias, scaled", [v.Floats(3, 4), Constant(v.Floats(4, 5))], ("alpha", -1.5f));
        yield return new("MatMul", "matrices", [v.Floats(3, 4), Constant(v.Floats(4, 5))]);
        yield return new("MatMul", "batches that broadcast", [v.Floats(2, 1, 3, 4), v.Floats(3, 4, 5)]);
        yield return new("MatMul", "vector and matrix", [v.Floats(4), v.Floats(4, 5)]);
        yield return new("MatMul", "vectors", [v.Floats(4), v.Floats(4)]);
        yield return new("Einsum", "attention", [v.Floats(2, 3, 4), v.Floats(2, 5, 4)], ("equation", "bqd, bkd -> bqk"));
        yield return new("Einsum", "implicit output", [v.Floats(2, 3), v.Floats(3, 4)], ("equation", "ij,jk"));
        yield return new("Einsum", "transposition", [v.Floats(2, 3)], ("equation", "ij->ji"));
    }
}
