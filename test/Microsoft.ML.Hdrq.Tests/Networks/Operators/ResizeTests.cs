using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class ResizeTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(9);
        foreach (var coordinates in new[] { "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
            "half_pixel_symmetric" })
        {
            foreach (var mode in new[] { "linear", "cubic" })
            {
                yield return new("Resize", $"{mode}, {coordinates}, larger, scales",
                    [v.Floats(2, 3, 5, 4), null, Constant([1f, 1, 2.3f, 1.6f], 4)], ("mode", mode),
                    ("coordinate_transformation_mode", coordinates));
                yield return new("Resize", $"{mode}, {coordinates}, smaller, sizes",
                    [v.Floats(2, 3, 7, 9), null, null, List(2, 3, 3, 5)], ("mode", mode),
                    ("coordinate_transformation_mode", coordinates));
                yield return new("Resize", $"{mode}, {coordinates}, to one",
                    [v.Floats(1, 2, 5, 6), null, null, List(1, 2, 1, 3)], ("mode", mode),
                    ("coordinate_transformation_mode", coordinates));
            }
            foreach (var rounding in new[] { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" })
            {
                yield return new("Resize", $"nearest, {coordinates}, {rounding}, larger",
                    [v.Floats(1, 2, 4, 7), null, Constant([1f, 1, 2, 2.3f], 4)],
                    ("coordinate_transformation_mode", coordinates), ("nearest_mode", rounding));
                yield return new("Resize", $"nearest, {coordinates}, {rounding}, smaller",
                    [v.Floats(1, 2, 8, 9), null, null, List(1, 2, 4, 6)],
                    ("coordinate_transformation_mode", coordinates), ("nearest_mode", rounding));
            }
        }
        yield return new("Resize", "linear, even scales as exporters write them",
            [v.Floats(2, 3, 5, 4), null, Constant([1f, 1, 2, 2], 4)], ("mode", "linear"),
            ("coordinate_transformation_mode", "half_pixel"));
        yield return new("Resize", "linear, one dimension", [v.Floats(2, 3, 5), null, null, List(2, 3, 8)],
            ("mode", "linear"));
        yield return new("Resize", "linear, three dimensions",
            [v.Floats(1, 2, 3, 4, 5), null, null, List(1, 2, 5, 6, 8)], ("mode", "linear"));
        yield return new("Resize", "linear, axes", [v.Floats(1, 2, 4, 5), null, null, List(7, 3)], ("mode", "linear"),
            ("axes", new long[] { -1, 2 }));
        yield return new("Resize", "cubic, coefficient", [v.Floats(1, 2, 4, 5), null, null, List(1, 2, 9, 3)],
            ("mode", "cubic"), ("cubic_coeff_a", -0.5f));
        yield return new("Resize", "cubic, outside excluded", [v.Floats(1, 2, 4, 5), null, null, List(1, 2, 9, 8)],
            ("mode", "cubic"), ("exclude_outside", 1L));
        foreach (var mode in new[] { "linear", "cubic" })
        {
            yield return new("Resize", $"{mode}, antialias, smaller",
                [v.Floats(1, 2, 9, 7), null, null, List(1, 2, 4, 3)], ("mode", mode),
                ("antialias", 1L))
            { Tolerance = 1e-4 };
            yield return new("Resize", $"{mode}, antialias, smaller and larger",
                [v.Floats(2, 2, 9, 4), null, null, List(2, 2, 5, 7)], ("mode", mode),
                ("antialias", 1L))
            { Tolerance = 1e-4 };
            yield return new("Resize", $"{mode}, antialias, scales",
                [v.Floats(1, 3, 8, 10), null, Constant([1f, 1, 0.5f, 0.3f], 4)], ("mode", mode),
                ("antialias", 1L))
            { Tolerance = 1e-4 };
        }
        yield return new("Resize", "nearest, integers",
            [v.Integers<byte>(0, 255, 1, 2, 3, 4), null, Constant([1f, 1, 2, 3], 4)],
            ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor"));
    }
}
