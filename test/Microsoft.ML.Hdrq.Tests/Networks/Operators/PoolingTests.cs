namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class PoolingTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(2);
        foreach (var type in new[] { "MaxPool", "AveragePool" })
        {
            yield return new(type, "one dimension", [v.Floats(2, 3, 9)], ("kernel_shape", new long[] { 3 }),
                ("strides", new long[] { 2 }), ("pads", new long[] { 1, 1 }));
            yield return new(type, "even padding", [v.Floats(2, 3, 8, 7)], ("kernel_shape", new long[] { 3, 2 }),
                ("strides", new long[] { 2, 1 }), ("pads", new long[] { 1, 1, 1, 1 }));
            yield return new(type, "uneven padding", [v.Floats(2, 3, 8, 7)], ("kernel_shape", new long[] { 3, 3 }),
                ("strides", new long[] { 2, 2 }), ("pads", new long[] { 0, 1, 2, 0 }));
            yield return new(type, "three dimensions", [v.Floats(1, 2, 5, 4, 6)],
                ("kernel_shape", new long[] { 2, 3, 2 }), ("strides", new long[] { 2, 1, 2 }),
                ("pads", new long[] { 1, 0, 0, 0, 1, 1 }));
            yield return new(type, "dilations", [v.Floats(2, 2, 9, 8)], ("kernel_shape", new long[] { 3, 2 }),
                ("dilations", new long[] { 2, 3 }), ("strides", new long[] { 1, 2 }),
                ("pads", new long[] { 1, 1, 1, 1 }));
            yield return new(type, "ceiling that adds a window", [v.Floats(2, 2, 6, 7)],
                ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 3 }), ("ceil_mode", 1L));
            yield return new(type, "ceiling whose last window would start in the padding", [v.Floats(2, 2, 5, 5)],
                ("kernel_shape", new long[] { 1, 2 }), ("strides", new long[] { 2, 4 }),
                ("pads", new long[] { 0, 1, 0, 1 }), ("ceil_mode", 1L));
            yield return new(type, "ceiling, uneven padding", [v.Floats(2, 2, 7, 8)],
                ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 3 }),
                ("pads", new long[] { 0, 1, 1, 0 }), ("ceil_mode", 1L));
            yield return new(type, "ceiling, dilations", [v.Floats(1, 2, 9, 10)], ("kernel_shape", new long[] { 2, 3 }),
                ("strides", new long[] { 3, 2 }), ("dilations", new long[] { 2, 2 }),
                ("pads", new long[] { 1, 0, 0, 1 }), ("ceil_mode", 1L));
            foreach (var padding in new[] { "SAME_UPPER", "SAME_LOWER", "VALID" })
                yield return new(type, padding, [v.Floats(1, 2, 7, 6)], ("kernel_shape", new long[] { 4, 3 }),
                    ("strides", new long[] { 2, 2 }), ("auto_pad", padding));
        }
        yield return new("MaxPool", "unsigned bytes, even padding", [v.Integers<byte>(0, 256, 1, 2, 6, 6)],
            ("kernel_shape", new long[] { 3, 3 }), ("pads", new long[] { 1, 1, 1, 1 }))
        { OldestOpset = 12 };
        yield return new("MaxPool", "signed bytes, uneven padding", [v.Integers<sbyte>(-128, 0, 1, 2, 6, 6)],
            ("kernel_shape", new long[] { 3, 3 }), ("pads", new long[] { 1, 0, 0, 1 }))
        { OldestOpset = 12 };
        yield return new("AveragePool", "padding counted", [v.Floats(2, 2, 6, 7)],
            ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }), ("count_include_pad", 1L));
        yield return new("AveragePool", "uneven padding counted", [v.Floats(2, 2, 6, 7)],
            ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 0, 1, 2, 1 }), ("count_include_pad", 1L));
        yield return new("AveragePool", "dilations, padding counted", [v.Floats(2, 2, 8, 8)],
            ("kernel_shape", new long[] { 3, 2 }), ("dilations", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }), ("count_include_pad", 1L));
        yield return new("AveragePool", "ceiling, padding counted", [v.Floats(2, 2, 6, 8)],
            ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 3 }),
            ("pads", new long[] { 0, 1, 0, 1 }), ("ceil_mode", 1L), ("count_include_pad", 1L));
        yield return new("AveragePool", "ceiling, dilations, padding counted", [v.Floats(1, 2, 9, 10)],
            ("kernel_shape", new long[] { 2, 3 }), ("strides", new long[] { 3, 2 }), ("dilations", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 0, 0, 1 }), ("ceil_mode", 1L), ("count_include_pad", 1L));
        var lp = new ParityValues(20);
        yield return new("LpPool", "one dimension", [lp.Floats(2, 3, 9)], ("kernel_shape", new long[] { 3 }),
            ("strides", new long[] { 2 }), ("pads", new long[] { 1, 1 }));
        yield return new("LpPool", "sum of magnitudes, uneven padding", [lp.Floats(2, 3, 8, 7)],
            ("p", 1L), ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 0, 1, 2, 0 }));
        yield return new("LpPool", "cubes", [lp.Floats(2, 2, 6, 7)], ("p", 3L), ("kernel_shape", new long[] { 2, 3 }),
            ("strides", new long[] { 1, 2 }));
        yield return new("LpPool", "three dimensions", [lp.Floats(1, 2, 5, 4, 6)],
            ("kernel_shape", new long[] { 2, 3, 2 }), ("strides", new long[] { 2, 1, 2 }),
            ("pads", new long[] { 1, 0, 0, 0, 1, 1 }));
        yield return new("LpPool", "dilations", [lp.Floats(2, 2, 9, 8)],
            ("kernel_shape", new long[] { 3, 2 }), ("dilations", new long[] { 2, 3 }), ("strides", new long[] { 1, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }));
        yield return new("LpPool", "ceiling that adds a window", [lp.Floats(2, 2, 6, 7)],
            ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 3 }), ("ceil_mode", 1L));
        foreach (var padding in new[] { "SAME_UPPER", "SAME_LOWER", "VALID" })
            yield return new("LpPool", padding, [lp.Floats(1, 2, 7, 6)], ("kernel_shape", new long[] { 4, 3 }),
                ("strides", new long[] { 2, 2 }), ("auto_pad", padding));
        // A window of zeros has a norm whose root has no gradient.
        yield return new("LpPool", "zeros", [ParityValues.Fed(new float[16], 1, 1, 4, 4)],
            ("kernel_shape", new long[] { 2, 2 }));
        foreach (var type in new[] { "GlobalAveragePool", "GlobalMaxPool" })
        {
            yield return new(type, "one dimension", [v.Floats(2, 3, 5)]);
            yield return new(type, "two dimensions", [v.Floats(2, 3, 5, 4)]);
            yield return new(type, "three dimensions", [v.Floats(2, 3, 2, 4, 3)]);
        }
    }
}
