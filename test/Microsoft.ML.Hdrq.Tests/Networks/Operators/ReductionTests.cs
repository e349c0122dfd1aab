using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class ReductionTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(6);
        foreach (var type in new[] { "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
            "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp" })
        {
            yield return new(type, "all axes",
                [v.Between(0.3, 2, 2, 3, 4)])
            { Tolerance = type is "ReduceProd" ? 1e-4 : 2e-5 };
            yield return new(type, "negative axis", [v.Between(0.3, 2, 2, 3, 4), List(-2)]);
            yield return new(type, "two axes, not kept", [v.Between(0.3, 2, 2, 3, 4), List(2, 0)], ("keepdims", 0L));
            yield return new(type, "all axes, not kept", [v.Between(0.3, 2, 2, 3)], ("keepdims", 0L));
            yield return new(type, "empty axes", [v.Between(0.3, 2, 2, 3), List()]);
            yield return new(type, "empty axes that do nothing",
                [v.Between(type == "ReduceLogSum" ? 0.3 : -2, 2, 2, 3), List()], ("noop_with_empty_axes", 1L));
            yield return new(type, "scalar", [Fed([1.5f])]);
        }
        foreach (var type in new[] { "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
            "ReduceL2", "ReduceSumSquare" })
            yield return new(type, "integers", [v.Integers<int>(-4, 5, 3, 4), List(1)]);
        yield return new("ReduceSum", "64-bit integers", [v.Integers<long>(-4, 5, 3, 4), List(0)]);
        yield return new("ReduceProd", "64-bit integers", [v.Integers<long>(-4, 5, 4)], ("keepdims", 0L));
        foreach (var type in new[] { "ArgMax", "ArgMin" })
        {
            yield return new(type, "first of equals", [v.Integers<int>(0, 3, 4, 9)], ("axis", 1L));
            yield return new(type, "last of equals, not kept", [v.Integers<int>(0, 3, 4, 9)], ("axis", -1L),
                ("select_last_index", 1L), ("keepdims", 0L));
            yield return new(type, "default axis", [v.Floats(4, 3, 2)]);
        }
        yield return new("CumSum", "forwards", [v.Floats(3, 4), Scalar(1L)]);
        yield return new("CumSum", "exclusive", [v.Floats(3, 4), Scalar(-1L)], ("exclusive", 1L));
        yield return new("CumSum", "from the end", [v.Floats(3, 4), Scalar(0L)], ("reverse", 1L));
        yield return new("CumSum", "exclusive, from the end, integers", [v.Integers<int>(-5, 5, 3, 4), Scalar(1)],
            ("reverse", 1L), ("exclusive", 1L));
        yield return new("TopK", "greatest, last axis", [v.Floats(3, 7), List(3)]) { Outputs = 2 };
        yield return new("TopK", "least, first axis, equals", [v.Integers<long>(0, 4, 7, 3), List(4)], ("axis", 0L),
            ("largest", 0L))
        { Outputs = 2 };
        yield return new("TopK", "greatest, equals", [v.Integers<int>(0, 4, 3, 9), List(5)])
        {
            Outputs = 2,
            OldestOpset = 11
        };
    }
}
