using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Networks.Operators.ParityValues;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class NormalizationTests
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows => OperatorParity.Rows(Cases());

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void AgreesWithOnnxRuntime(ParityCase parityCase) => OperatorParity.Check(parityCase);

    /// <summary>
    /// ONNX Runtime has no even sizes. By hand: the squares of a channel and the next, halved, times alpha, plus the
    /// bias of 1.
    /// </summary>
    [TestMethod]
    public void LocalResponseOfEvenSizeReachesFurtherBehind()
    {
        using var scope = torch.NewDisposeScope();
        var operation = Operator.Create("LRN", new OperatorAttributes(("size", 2L), ("alpha", 2f), ("beta", 1f)));
        var output = operation.Compute(
            [torch.tensor(new float[] { 1, 2, 3 }).reshape(1, 3, 1)],
            new ComputeContext(ForwardMode.Inference, torch.CPU))[0];
        float[] expected = [1f / 6, 2f / 14, 3f / 10];
        var actual = output.data<float>().ToArray();
        for (var i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-6f);
    }

    internal static IEnumerable<ParityCase> Cases()
    {
        var v = new ParityValues(5);
        yield return new("BatchNormalization", "two dimensions",
            [v.Floats(2, 3, 4, 5), Constant(v.Floats(3)), Constant(v.Floats(3)), Constant(v.Floats(3)),
                Constant(v.Between(0.2, 2, 3))]);
        yield return new("BatchNormalization", "one dimension, epsilon",
            [v.Floats(2, 3, 4), Constant(v.Floats(3)), Constant(v.Floats(3)), Constant(v.Floats(3)),
                Constant(v.Between(0.2, 2, 3))], ("epsilon", 0.1f));
        yield return new("BatchNormalization", "matrix",
            [v.Floats(4, 3), Constant(v.Floats(3)), Constant(v.Floats(3)), Constant(v.Floats(3)),
                Constant(v.Between(0.2, 2, 3))]);
        yield return new("LayerNormalization", "last axis",
            [v.Floats(2, 3, 4), Constant(v.Floats(4)), Constant(v.Floats(4))]);
        yield return new("LayerNormalization", "two axes, no bias, epsilon",
            [v.Floats(2, 3, 4), Constant(v.Floats(3, 4))], ("axis", 1L), ("epsilon", 0.01f));
        yield return new("LayerNormalization", "scale that broadcasts",
            [v.Floats(2, 3, 4), Constant(v.Floats(4)), Constant(v.Floats(3, 1))], ("axis", -2L));
        yield return new("InstanceNormalization", "two dimensions",
            [v.Floats(2, 3, 4, 5), Constant(v.Floats(3)), Constant(v.Floats(3))]);
        yield return new("InstanceNormalization", "one dimension, epsilon",
            [v.Floats(2, 3, 4), Constant(v.Floats(3)), Constant(v.Floats(3))], ("epsilon", 0.1f));
        yield return new("GroupNormalization", "two groups",
            [v.Floats(2, 4, 3, 5), Constant(v.Floats(4)), Constant(v.Floats(4))], ("num_groups", 2L));
        yield return new("GroupNormalization", "one group, epsilon",
            [v.Floats(2, 6, 3), Constant(v.Floats(6)), Constant(v.Floats(6))], ("num_groups", 1L), ("epsilon", 0.1f));
        yield return new("LpNormalization", "defaults", [v.Floats(2, 3, 4)]);
        yield return new("LpNormalization", "sum of magnitudes", [v.Floats(2, 3, 4)], ("axis", 1L), ("p", 1L));
        yield return new("LpNormalization", "zeros", [Fed([0f, 0, 0, 3, 4, 0], 2, 3)]);
        yield return new("LRN", "odd size", [v.Floats(2, 7, 3, 4)], ("size", 3L), ("alpha", 0.5f), ("beta", 0.6f),
            ("bias", 2f));
        yield return new("LRN", "more than the channels", [v.Floats(2, 3, 3, 4)], ("size", 9L), ("alpha", 0.5f));
    }
}
