using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class ElementwiseTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(3);
        foreach (var type in new[] { "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Swish", "Mish",
            "LeakyRelu", "Elu", "Celu", "ThresholdedRelu", "Selu", "HardSigmoid", "Gelu", "Abs", "Asinh", "Atan",
            "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Identity", "Neg", "Reciprocal", "Sign", "Sin", "Sinh",
            "Tan" })
            yield return new(type, "defaults",
                [v.Between(-5, 5, 3, 4, 5)])
            {
                Tolerance = type is "Sinh" or "Cosh" or "Exp" or "Tan" or "Reciprocal"
                ? 1e-4 : 2e-6
            };
        foreach (var type in new[] { "Log", "Sqrt" })
            yield return new(type, "positive numbers", [v.Between(0.1, 5, 3, 4)]);
        foreach (var type in new[] { "Acos", "Asin", "Atanh" })
            yield return new(type, "within the unit", [v.Between(-0.95, 0.95, 3, 4)]);
        yield return new("Acosh", "above one", [v.Between(1.05, 9, 3, 4)]);
        yield return new("LeakyRelu", "alpha", [v.Floats(3, 4)], ("alpha", 0.3f));
        yield return new("Elu", "alpha", [v.Floats(3, 4)], ("alpha", 0.3f));
        yield return new("Celu", "alpha", [v.Floats(3, 4)], ("alpha", 0.3f));
        yield return new("ThresholdedRelu", "alpha", [v.Floats(3, 4)], ("alpha", 0.3f));
        yield return new("Selu", "alpha and gamma", [v.Floats(3, 4)], ("alpha", 0.5f), ("gamma", 2f));
        yield return new("HardSigmoid", "alpha and beta", [v.Floats(3, 4)], ("alpha", 0.4f), ("beta", 0.1f));
        yield return new("Swish", "alpha", [v.Floats(3, 4)], ("alpha", 1.702f));
        yield return new("Gelu", "tanh approximation", [v.Floats(3, 4)], ("approximate", "tanh"));
        yield return new("Round", "halves to even", [Fed([0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 1.2f, -1.7f], 8)]);
        yield return new("Abs", "integers", [v.Integers<int>(-9, 9, 3, 4)]);
        yield return new("Neg", "integers", [v.Integers<long>(-9, 9, 3, 4)]);
        yield return new("Sign", "integers", [v.Integers<int>(-2, 3, 3, 4)]);
        yield return new("Not", "booleans", [v.Integers<bool>(0, 2, 3, 4)]);
        yield return new("IsNaN", "some", [Fed([1f, float.NaN, float.PositiveInfinity, -0f], 4)]);
        foreach (var (negative, positive) in new[] { (1L, 1L), (0L, 1L), (1L, 0L), (0L, 0L) })
            yield return new("IsInf", $"negative {negative}, positive {positive}",
                [Fed([1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity], 4)],
                ("detect_negative", negative), ("detect_positive", positive));
        yield return new("Clip", "both bounds", [v.Floats(3, 4), Scalar(-0.5f), Scalar(1f)]);
        yield return new("Clip", "no bounds", [v.Floats(3, 4)]);
        yield return new("Clip", "lower bound", [v.Floats(3, 4), Scalar(-0.5f)]);
        yield return new("Clip", "upper bound", [v.Floats(3, 4), null, Scalar(0.5f)]);
        yield return new("Clip", "bytes",
            [v.Integers<byte>(0, 256, 3, 4), Scalar<byte>(0), Scalar<byte>(15)])
        { OldestOpset = 12 };
        yield return new("Clip", "bounds crossed", [v.Floats(3, 4), Scalar(1f), Scalar(-1f)]) { OldestOpset = 12 };
        yield return new("Dropout", "no mask", [v.Floats(3, 4), Scalar(0.3f)]);
        yield return new("Dropout", "mask", [v.Floats(3, 4)]) { Outputs = 2 };
        yield return new("Softmax", "last axis", [v.Floats(2, 3, 4)]);
        yield return new("Softmax", "axis 1", [v.Floats(2, 3, 4, 2)], ("axis", 1L));
        yield return new("LogSoftmax", "negative axis", [v.Floats(2, 3, 4)], ("axis", -2L));

        foreach (var (from, to) in new[] { (1, 7), (1, 6), (1, 9), (1, 10), (1, 11), (1, 3), (1, 5), (1, 1) })
            yield return new("Cast", $"single precision to {(Hdrq.Networks.ElementType)to}",
                [v.Between(-100, 100, 3, 4)], ("to", (long)to));
        yield return new("Cast", "to unsigned bytes", [v.Between(0, 255, 3, 4)], ("to", 2L));
        yield return new("Cast", "integers wrap around", [v.Integers<int>(-70000, 70000, 3, 4)], ("to", 3L));
        yield return new("Cast", "booleans to single precision", [v.Integers<bool>(0, 2, 3, 4)], ("to", 1L));
        yield return new("Cast", "integers to signed 4 bits", [v.Integers<sbyte>(-8, 8, 3, 4)],
            ("to", 22L))
        { GivesFourBits = true };
        yield return new("Cast", "integers to unsigned 4 bits", [v.Integers<byte>(0, 16, 3, 4)],
            ("to", 21L))
        { GivesFourBits = true };
        yield return new("CastLike", "to integers", [v.Between(-100, 100, 3, 4), Constant(v.Integers<int>(0, 1, 1))]);
    }
}
