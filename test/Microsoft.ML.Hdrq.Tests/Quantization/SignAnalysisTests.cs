using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class SignAnalysisTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Signs_follow_from_operators(bool isInputPositive)
    {
        using var builder = new NetworkBuilder();
        var x = builder.Input("x", -1, 2, 8, 8);
        builder.Node("MaxPool", "pooled input", [x], ("kernel_shape", new long[] { 2, 2 }));
        builder.Node("Conv", "conv", [x, builder.Parameter("weight", torch.ones(2, 2, 1, 1))]);
        builder.Node("Relu", "relu", ["conv"]);
        builder.Node("Add", "sum of positive", ["relu", "relu"]);
        builder.Node("Add", "sum of any", ["relu", "conv"]);
        builder.Node("Mul", "times negative",
            ["relu", builder.Parameter("negative", torch.tensor(-1f), ParameterRole.Constant)]);
        builder.Node("Mul", "times positive",
            ["relu", builder.Parameter("positive", torch.tensor(2f), ParameterRole.Constant)]);
        builder.Node("Clip", "relu6",
            ["conv", builder.Parameter("zero", torch.tensor(0f), ParameterRole.Constant),
                builder.Parameter("six", torch.tensor(6f), ParameterRole.Constant)]);
        builder.Node("Clip", "hardtanh",
            ["conv", builder.Parameter("minus one", torch.tensor(-1f), ParameterRole.Constant)]);
        builder.Node("Sub", "difference", ["relu", "relu6"]);
        builder.Node("GlobalAveragePool", "pooled", ["relu6"]);
        using var network = builder.Build(
            new GraphValue("pooled", ElementType.Float32, []), new GraphValue("difference", ElementType.Float32, []));

        var signed = SignAnalysis.FindSigned(network.Graph, network.Parameters, isInputPositive);

        string[] always = ["conv", "difference", "hardtanh", "sum of any", "times negative"];
        CollectionAssert.AreEqual((isInputPositive ? always : [.. always, "pooled input", "x"])
            .Order(StringComparer.Ordinal).ToArray(), signed.Order(StringComparer.Ordinal).ToArray());
    }
}
