using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class RoundingGoldenTests
{
    public static IEnumerable<string> Names => RoundingGolden.Checks.Select(check => check.Name);

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void QuantizersAndLossesAreThePapersCode(string name) =>
        RoundingGolden.Checks.Single(check => check.Name == name).Check(torch.CPU);
}
