using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class PadTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(8);
        yield return new("Pad", "constant, value", [v.Floats(2, 3, 4), List(0, 1, 2, 1, 0, 3), Scalar(1.5f)]);
        yield return new("Pad", "constant, cropping", [v.Floats(2, 5, 6), List(0, -1, 2, 1, 0, -3)]);
        yield return new("Pad", "constant, axes", [v.Floats(2, 5, 6), List(1, 2, 0, 3), Scalar(-1f), List(-1, 0)]);
        yield return new("Pad", "constant, integers", [v.Integers<long>(0, 9, 2, 3), List(1, 0, 0, 2), Scalar(7L)]);
        foreach (var mode in new[] { "reflect", "edge", "wrap" })
        {
            yield return new("Pad", mode, [v.Floats(2, 4, 5), List(0, 2, 1, 0, 3, 4)], ("mode", mode));
            yield return new("Pad", $"{mode}, axes, integers",
                [v.Integers<int>(0, 99, 4, 5), List(3, 2), null, List(-1)], ("mode", mode));
        }
        yield return new("Pad", "edge, cropping", [v.Floats(6, 5), List(-1, 2, 2, -1)], ("mode", "edge"));
        yield return new("Pad", "edge, far beyond the data", [v.Floats(2, 2), List(0, 5, 0, 7)], ("mode", "edge"));
    }
}
