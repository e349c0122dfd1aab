using Microsoft.ML.Hdrq.Networks;
using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>Operators that read or write at places that other values name.</summary>
[TestClass]
public sealed class PlacesTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(23);
        yield return new("GatherND", "elements", [v.Floats(3, 4), Longs([3, 2], 0, 1, 2, -1, -3, 3)]);
        yield return new("GatherND", "slices", [v.Floats(3, 4, 2), Longs([2, 2, 1], 0, 1, 2, -1)]);
        yield return new("GatherND", "shared dimensions",
            [v.Floats(2, 3, 4, 2), Longs([2, 2, 2], 0, 1, 2, -1, 1, 1, 0, 0)], ("batch_dims", 1L))
        { OldestOpset = 12 };
        yield return new("GatherND", "two shared dimensions", [v.Floats(2, 2, 3, 2), Longs([2, 2, 1], 0, 1, 2, -1)],
            ("batch_dims", 2L))
        { OldestOpset = 12 };
        yield return new("ScatterElements", "rows", [v.Floats(3, 4), Longs([2, 3], 0, 1, 2, -1, 0, 1), v.Floats(2, 3)]);
        yield return new("ScatterElements", "columns",
            [v.Floats(3, 4), Longs([2, 3], 0, 1, 2, -1, 0, 1), v.Floats(2, 3)], ("axis", 1L));
        yield return new("ScatterElements", "added", [v.Floats(3, 4), Longs([2, 3], 1, 1, 2, -1, 1, 1), v.Floats(2, 3)],
            ("axis", 0L), ("reduction", "add"));
        yield return new("ScatterND", "slices", [v.Floats(4, 3, 2), Longs([2, 1], 3, 0), v.Floats(2, 3, 2)]);
        yield return new("ScatterND", "elements", [v.Floats(4, 3), Longs([3, 2], 3, 0, 1, -1, 0, 0), v.Floats(3)]);
        yield return new("ScatterND", "added", [v.Floats(4, 3), Longs([3, 1], 3, 0, 3), v.Floats(3, 3)],
            ("reduction", "add"));
        yield return new("OneHot", "last axis",
            [Fed<long>([0, 4, -1, 7, 2, -5], 2, 3), new(TensorData.Of([5L]), true), Constant([-1f, 2], 2)])
        {
            Differentiable = false
        };
        yield return new("OneHot", "first axis",
            [Fed<long>([0, 4, -1, 7, 2, -5], 2, 3), new(TensorData.Of([5L]), true), Constant([0f, 1], 2)],
            ("axis", 0L))
        { Differentiable = false };
        yield return new("CenterCropPad", "smaller and larger", [v.Floats(5, 4, 3), List(2, 7, 3)]);
        yield return new("CenterCropPad", "axes", [v.Floats(2, 5, 8), List(4, 5)], ("axes", new long[] { -2, 2 }));
        yield return new("Col2Im", "apart", [v.Floats(2, 8, 6), List(4, 6), List(2, 2)], ("strides", new long[] { 2, 2 }));
        yield return new("Col2Im", "overlapping", [v.Floats(1, 18, 12), List(5, 6), List(3, 3)]);
        yield return new("Col2Im", "padded and dilated", [v.Floats(1, 4, 16), List(4, 4), List(2, 2)],
            ("pads", new long[] { 1, 0, 1, 1 }), ("dilations", new long[] { 2, 1 }));
        foreach (var mode in new[] { "linear", "nearest" })
        {
            foreach (var padding in new[] { "zeros", "border", "reflection" })
            {
                foreach (var align in new[] { 0L, 1 })
                    yield return new("GridSample", $"{mode}, {padding}, {align}",
                        [v.Floats(2, 3, 5, 4), v.Floats(2, 3, 6, 2)], ("mode", mode), ("padding_mode", padding),
                        ("align_corners", align))
                    { Differentiable = mode == "linear" };
            }
        }
        yield return new("NonMaxSuppression", "corners",
            [Boxes(), v.Floats(2, 3, 6), new(TensorData.Of([2L]), true), Constant([0.3f], 1), Constant([-0.2f], 1)])
        {
            Differentiable = false
        };
        yield return new("NonMaxSuppression", "centres, without bounds",
            [Boxes(), v.Floats(2, 3, 6), new(TensorData.Of([4L]), true)],
            ("center_point_box", 1L))
        { Differentiable = false };
        yield return new("NonMaxSuppression", "none", [Boxes(), v.Floats(2, 3, 6)]) { Differentiable = false };
    }

    private static ParityInput Longs(long[] shape, params long[] values) => new(TensorData.Of<long>(values, shape), true);

    /// <summary>Boxes from 0 to 1, of which some overlap.</summary>
    private static ParityInput Boxes()
    {
        var random = new Random(5);
        return new(TensorData.Of<float>([.. Enumerable.Range(0, 2 * 6 * 4).Select(_ => random.NextSingle())], 2, 6, 4),
            false);
    }
}
