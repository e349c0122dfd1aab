using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class BroadcastingTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(4);
        foreach (var type in new[] { "Add", "Sub", "Mul", "Div" })
        {
            yield return new(type, "broadcast both ways", [v.Floats(2, 1, 4), v.Between(0.5, 2, 3, 1)]);
            yield return new(type, "scalar constant", [v.Floats(2, 3), Scalar(1.5f)]);
            yield return new(type, "64-bit integers", [v.Integers<long>(-20, 20, 3, 4), v.Integers<long>(1, 7, 4)]);
            yield return new(type, "32-bit integers", [v.Integers<int>(-20, 20, 3, 4), v.Integers<int>(-7, 0, 4)]);
        }
        yield return new("Pow", "constant exponent", [v.Floats(3, 4), Scalar(3f)]);
        yield return new("Pow", "broadcast", [v.Between(0.1, 3, 3, 4), v.Floats(4)]);
        yield return new("Pow", "integer exponent", [v.Floats(3, 4), Scalar(2L)]) { OldestOpset = 12 };
        yield return new("Pow", "integers", [v.Integers<int>(-5, 5, 3, 4), Scalar(2f)]) { OldestOpset = 12 };
        yield return new("Mod", "sign of the divisor", [v.Integers<int>(-20, 20, 3, 4), Fed([3, -4, 5, -6], 4)]);
        yield return new("Mod", "sign of the dividend", [v.Integers<int>(-20, 20, 3, 4), Fed([3, -4, 5, -6], 4)],
            ("fmod", 1L));
        yield return new("Mod", "floating point", [v.Floats(3, 4), Fed([0.3f, -0.7f, 1f, 1.3f], 4)], ("fmod", 1L));
        foreach (var type in new[] { "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual" })
        {
            yield return new(type, "integers", [v.Integers<long>(0, 3, 3, 4), v.Integers<long>(0, 3, 4)]);
            yield return new(type, "floating point", [v.Floats(2, 3), Scalar(0f)]) { OldestOpset = 11 };
        }
        foreach (var type in new[] { "And", "Or", "Xor" })
            yield return new(type, "broadcast", [v.Integers<bool>(0, 2, 3, 4), v.Integers<bool>(0, 2, 4)]);
        yield return new("Equal", "booleans", [v.Integers<bool>(0, 2, 3, 4), v.Integers<bool>(0, 2, 4)]);
        yield return new("Where", "broadcast", [v.Integers<bool>(0, 2, 3, 1), v.Floats(3, 4), Scalar(-1f)]);
        yield return new("Where", "integers",
            [v.Integers<bool>(0, 2, 4), v.Integers<long>(0, 9, 3, 4), v.Integers<long>(0, 9, 4)]);
        yield return new("PRelu", "slope per channel", [v.Floats(2, 3, 4, 4), Constant(v.Floats(3, 1, 1))]);
        yield return new("PRelu", "one slope", [v.Floats(2, 3), Constant(v.Floats(1))]);
        foreach (var type in new[] { "Max", "Min", "Sum", "Mean" })
        {
            yield return new(type, "one input", [v.Floats(3, 4)]);
            yield return new(type, "three inputs that broadcast",
                [v.Floats(3, 4), v.Floats(2, 1, 1), Constant(v.Floats(4))]);
        }
        yield return new("Max", "integers",
            [v.Integers<long>(-9, 9, 3, 4), v.Integers<long>(-9, 9, 4)])
        { OldestOpset = 12 };
        yield return new("Min", "bytes", [v.Integers<byte>(0, 255, 3, 4), v.Integers<byte>(0, 255, 4)]) { OldestOpset = 12 };
    }
}
