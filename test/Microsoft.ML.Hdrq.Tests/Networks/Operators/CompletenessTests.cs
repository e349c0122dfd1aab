using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class CompletenessTests
{
    /// <summary>All cases of all operators.</summary>
    internal static IEnumerable<ParityCase> AllCases() =>
    [
        .. BroadcastingTests.Cases(), .. ConvolutionTests.Cases(), .. ElementwiseTests.Cases(),
        .. NormalizationTests.Cases(), .. PadTests.Cases(), .. PlacesTests.Cases(),
        .. PoolingTests.Cases(), .. QuantizationTests.Cases(), .. ReductionTests.Cases(), .. ResizeTests.Cases(),
        .. ShapeTests.Cases(),
    ];

    [TestMethod]
    public void EveryOperatorIsComparedWithOnnxRuntime()
    {
        var compared = AllCases().Select(parityCase => parityCase.Type).ToHashSet();
        Assert.AreEqual("", string.Join(
            ", ", OperatorTable.Definitions.Keys.Where(type => !compared.Contains(type)).Order()));
    }
}
