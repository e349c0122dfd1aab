using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class CompletenessTests
{
    [TestMethod]
    public void EveryOperatorIsComparedWithOnnxRuntime()
    {
        IEnumerable<ParityCase>[] cases =
        [
            BroadcastingTests.Cases(), ConvolutionTests.Cases(), ElementwiseTests.Cases(), NormalizationTests.Cases(), PadTests.Cases(),
            PoolingTests.Cases(), QuantizationTests.Cases(), ReductionTests.Cases(), ResizeTests.Cases(), ShapeTests.Cases(),
        ];
        var compared = cases.SelectMany(list => list).Select(parityCase => parityCase.Type).ToHashSet();
        Assert.AreEqual("", string.Join(", ", OperatorTable.Definitions.Keys.Where(type => !compared.Contains(type)).Order()));
    }
}
