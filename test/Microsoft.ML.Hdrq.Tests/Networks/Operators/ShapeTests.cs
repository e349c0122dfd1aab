using Microsoft.ML.Hdrq.Networks;
using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class ShapeTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(7);
        yield return new("Shape", "all", [v.Floats(2, 3, 4)]);
        yield return new("Shape", "a part", [v.Floats(2, 3, 4, 5)], ("start", -3L), ("end", -1L));
        yield return new("Shape", "an empty part", [v.Floats(2, 3, 4, 5)], ("start", 3L), ("end", 1L));
        yield return new("Size", "all", [v.Floats(2, 3, 4)]);
        yield return new("Reshape", "zero and minus one", [v.Floats(2, 3, 4), List(0, -1, 2)]);
        yield return new("Reshape", "same shape", [v.Floats(2, 3), List(2, 3)]);
        yield return new("Reshape", "zero allowed", [v.Floats(0, 3), List(3, 0)],
            ("allowzero", 1L))
        { Differentiable = false };
        yield return new("Flatten", "default", [v.Floats(2, 3, 4)]);
        yield return new("Flatten", "axis 0", [v.Floats(2, 3, 4)], ("axis", 0L));
        yield return new("Flatten", "negative axis", [v.Floats(2, 3, 4)], ("axis", -1L));
        yield return new("Flatten", "axis behind the last", [v.Floats(2, 3, 4)], ("axis", 3L));
        yield return new("Squeeze", "all", [v.Floats(1, 3, 1, 4)]);
        yield return new("Squeeze", "negative axis", [v.Floats(1, 3, 1, 4), List(-2)]);
        yield return new("Unsqueeze", "mixed axes", [v.Floats(3, 4), List(-1, 0, 2)]);
        yield return new("Transpose", "reversed", [v.Floats(2, 3, 4)]);
        yield return new("Transpose", "permutation", [v.Floats(2, 3, 4, 5)], ("perm", new long[] { 0, 3, 1, 2 }));
        yield return new("Expand", "more dimensions", [v.Floats(3, 1), List(2, 1, 4)]);
        yield return new("Expand", "shape smaller than the data", [v.Floats(2, 3, 4), List(1, 1)]);
        yield return new("Tile", "two dimensions", [v.Floats(2, 3), List(2, 3)]);
        yield return new("Tile", "to nothing", [v.Integers<int>(0, 9, 2, 3), List(0, 3)]);
        foreach (var mode in new[] { "DCR", "CRD" })
            yield return new("DepthToSpace", mode, [v.Floats(2, 8, 2, 3)], ("blocksize", 2L), ("mode", mode));
        yield return new("SpaceToDepth", "blocks of 2", [v.Floats(2, 3, 4, 6)], ("blocksize", 2L));

        yield return new("Concat", "negative axis", [v.Floats(2, 3), Constant(v.Floats(2, 1)), v.Floats(2, 2)],
            ("axis", -1L));
        yield return new("Concat", "integers", [v.Integers<long>(0, 9, 2), List(3, 4)], ("axis", 0L));
        yield return new("Concat", "one input", [v.Floats(2, 3)], ("axis", 1L));
        yield return new("Slice", "first axes", [v.Floats(5, 6, 7), List(1, 2), List(4, 6)]);
        yield return new("Slice", "axes and steps",
            [v.Floats(5, 6, 7), List(1, 0), List(long.MaxValue, 5), List(-1, 0), List(2, 3)]);
        yield return new("Slice", "beyond both ends", [v.Floats(5, 6), List(-100, 3), List(100, 100)]);
        yield return new("Slice", "nothing", [v.Floats(5, 6), List(4), List(2), List(1)]);
        yield return new("Slice", "backwards, all", [v.Floats(5, 6), List(-1), List(long.MinValue), List(1), List(-1)]);
        yield return new("Slice", "backwards, steps", [v.Floats(8, 9), List(7, -2), List(0, 1), List(0, 1), List(-3, -2)]);
        yield return new("Slice", "backwards from beyond", [v.Floats(8), List(100), List(-7), List(0), List(-2)]);
        yield return new("Slice", "backwards, nothing", [v.Floats(8), List(2), List(5), List(0), List(-1)]);
        yield return new("Slice", "steps longer than the axis",
            [v.Floats(5, 4), List(1, -1), List(5, -5), List(0, 1), List(100, -100)]);
        yield return new("Split", "sizes", [v.Floats(2, 7), List(2, 4, 1)], ("axis", 1L)) { Outputs = 3 };
        yield return new("Split", "equal", [v.Floats(6, 2)], ("num_outputs", 3L)) { Outputs = 3 };
        yield return new("Split", "last smaller", [v.Floats(2, 7)], ("num_outputs", 3L), ("axis", -1L))
        {
            Outputs = 3,
            OldestOpset = 18
        };
        yield return new("Gather", "axis 0, matrix of indices", [v.Floats(5, 3), Constant([0L, -1, 4, 2], 2, 2)]);
        yield return new("Gather", "negative axis, scalar index", [v.Floats(2, 5, 3), Scalar(-2L)], ("axis", -2L));
        yield return new("Gather", "32-bit indices as an input", [v.Floats(2, 5), Fed([4, 0, 1], 3)], ("axis", 1L));
        yield return new("Gather", "integers", [v.Integers<long>(0, 99, 5), Scalar(3L)]);
        yield return new("GatherElements", "negative indices", [v.Floats(3, 4), Constant([0L, -1, 2, 1, 0, 3], 3, 2)],
            ("axis", 1L));
        foreach (var upper in new[] { 0L, 1L })
        {
            yield return new("Trilu", $"upper {upper}", [v.Floats(2, 4, 5)], ("upper", upper));
            yield return new("Trilu", $"upper {upper}, diagonal moved, integers",
                [v.Integers<long>(1, 9, 4, 5), Scalar(-1L)], ("upper", upper));
        }
        yield return new("ConstantOfShape", "default", [Fed([2L, 3], 2)]);
        yield return new("ConstantOfShape", "integers", [Fed([2L, 3], 2)], ("value", TensorData.Of<long>([7], 1)));
        yield return new("ConstantOfShape", "booleans", [Fed([4L], 1)], ("value", TensorData.Of<bool>([true], 1)));
        yield return new("Range", "integers", [Fed([2L]), Scalar(11L), Scalar(3L)]);
        yield return new("Range", "downwards, 32 bits", [Fed([9]), Scalar(-2), Scalar(-4)]);
        yield return new("Range", "floating point", [Fed([0.5f]), Scalar(2f), Scalar(0.25f)]) { Differentiable = false };
        yield return new("Range", "empty", [Fed([3L]), Scalar(3L), Scalar(1L)]);
    }
}
