using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class CompletenessTests
{
    [TestMethod]
    public void EveryOperatorIsComparedWithOnnxRuntime()
    {
        var compared = Cases().Select(parityCase => parityCase.Type).ToHashSet();
        Assert.AreEqual("", string.Join(", ", OperatorTable.Definitions.Keys.Where(type => !compared.Contains(type)).Order()));
    }

    /// <summary>All cases of all operators.</summary>
    internal static IEnumerable<ParityCase> Cases() =>
    [
        .. BroadcastingTests.Cases(), .. ConvolutionTests.Cases(), .. ElementwiseTests.Cases(), .. NormalizationTests.Cases(), .. PadTests.Cases(),
        .. PoolingTests.Cases(), .. QuantizationTests.Cases(), .. ReductionTests.Cases(), .. ResizeTests.Cases(), .. ShapeTests.Cases(),
    ];
}
