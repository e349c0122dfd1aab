using System.Text.Json;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Passes;

[TestClass]
public sealed class FoldBatchNormalizationTests
{
    // Golden/fold_bn.json was computed by the paper's public code (github.com/ewsn1593/HDRQ, _fold_bn) with PyTorch 1.13.
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Weights_and_bias_are_those_of_the_papers_code(int index)
    {
        using var scope = torch.NewDisposeScope();
        using var file = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", "fold_bn.json")));
        var golden = file.RootElement.GetProperty("cases")[index];
        using var builder = new NetworkBuilder();
        var weight = Tensor(golden.GetProperty("weight"));
        List<string> inputs = [builder.Input("x", -1, weight.shape[1], 8, 8), builder.Parameter("conv.weight", weight)];
        if (golden.GetProperty("bias").ValueKind != JsonValueKind.Null)
            inputs.Add(builder.Parameter("conv.bias", Tensor(golden.GetProperty("bias"))));
        var value = builder.Node("Conv", "conv", [.. inputs]);
        builder.Node("BatchNormalization", "y",
        [
            value,
            // A normalization without scale and shift has ones and zeros in ONNX.
            builder.Parameter("gamma", golden.GetProperty("gamma").ValueKind == JsonValueKind.Null
                ? torch.ones(weight.shape[0]) : Tensor(golden.GetProperty("gamma"))),
            builder.Parameter("beta", golden.GetProperty("beta").ValueKind == JsonValueKind.Null
                ? torch.zeros(weight.shape[0]) : Tensor(golden.GetProperty("beta"))),
            builder.Parameter("mean", Tensor(golden.GetProperty("mean")), ParameterRole.Statistic),
            builder.Parameter("var", Tensor(golden.GetProperty("var")), ParameterRole.Statistic),
        ], ("epsilon", golden.GetProperty("eps").GetSingle()));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));

        using var folded = FoldBatchNormalization.Apply(network);

        Assert.HasCount(1, folded.Graph.Nodes);
        CollectionAssert.AreEqual(new[] { "conv.weight", "conv.bias" }, folded.Parameters.Keys.ToArray());
        AssertClose(golden.GetProperty("folded_weight"), folded.Parameters["conv.weight"]);
        AssertClose(golden.GetProperty("folded_bias"), folded.Parameters["conv.bias"]);
    }

    [TestMethod]
    [DataRow("Mul", true, true)]
    [DataRow("Mul", false, true)]
    [DataRow("Add", true, true)]
    [DataRow("Add", false, true)]
    [DataRow("Sub", true, true)]
    [DataRow("Sub", false, true)]
    [DataRow("Div", true, true)]
    [DataRow("Div", false, false)]
    [DataRow("Max", true, false)]
    [DataRow("Pow", true, false)]
    public void Products_and_sums_with_constants_become_part_of_the_layer(string type, bool isFirst, bool isFolded)
    {
        using var scope = torch.NewDisposeScope();
        // Values for each channel, for all, and for each column, which no layer can take.
        foreach (var (shape, fits) in new (
            long[], bool)[] { ([], true), ([3, 1, 1], true), ([1, 3, 1, 1], true), ([4], false) })
        {
            using var builder = new NetworkBuilder();
            var value = builder.Node("Conv", "conv",
                [builder.Input("x", -1, 2, 4, 4), builder.Parameter("conv.weight", torch.randn([3, 2, 1, 1])),
                    builder.Parameter("conv.bias", torch.randn([3]))]);
            var constant = builder.Parameter("constant", torch.rand(shape).add(0.5), ParameterRole.Constant);
            builder.Node(type, "y", isFirst ? [value, constant] : [constant, value]);
            using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
            using var folded = FoldBatchNormalization.Apply(network);
            Assert.HasCount(isFolded && fits ? 1 : 2, folded.Graph.Nodes, $"{type} of {string.Join(' ', shape)}");
            var input = torch.rand(2, 2, 4, 4);
            var (expected, actual) = (network.Forward(input), folded.Forward(input));
            Assert.IsLessThan(1e-5, expected.sub(actual).nan_to_num().abs().max().item<float>());
        }
    }

    [TestMethod]
    public void What_others_read_too_is_not_folded()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var value = builder.Node("Conv", "conv",
            [builder.Input("x", -1, 2, 4, 4), builder.Parameter("conv.weight", torch.randn([3, 2, 1, 1]))]);
        var shifted = builder.Node("Add", "shifted",
            [value, builder.Parameter("three", torch.tensor(3f), ParameterRole.Constant)]);
        builder.Node("Mul", "y", [value, shifted]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        using var folded = FoldBatchNormalization.Apply(network);
        Assert.HasCount(3, folded.Graph.Nodes);
    }

    [TestMethod]
    public void Residual_networks_lose_every_normalization_and_keep_their_scores()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Trained(ResNet.ImageNet(18, 10, seed: 3, inputSize: 32));
        using var folded = FoldBatchNormalization.Apply(network);
        Assert.IsFalse(folded.Graph.Nodes.Any(node => node.Operator.Type == "BatchNormalization"));
        Assert.AreEqual("layer1.0.conv1.bias",
            folded.Graph.Parameters.Single(
                parameter => parameter.Name.StartsWith("layer1.0.conv1.b", StringComparison.Ordinal)).Name);
        var input = torch.rand(2, 3, 32, 32);
        var (expected, actual) = (network.Forward(input), folded.Forward(input));
        Assert.IsLessThan(1e-5 * expected.abs().max().item<float>(), expected.sub(actual).abs().max().item<float>());
    }

    [TestMethod]
    [DataRow("grouped convolution")]
    [DataRow("transposed convolution")]
    [DataRow("grouped transposed convolution")]
    [DataRow("linear layer")]
    [DataRow("linear layer of an untransposed weight")]
    public void Other_layers_fold_too(string layer)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(7);
        using var builder = new NetworkBuilder();
        var isLinear = layer.StartsWith("linear", StringComparison.Ordinal);
        long[] inputShape = isLinear ? [-1, 4] : [-1, 4, 5, 5];
        var x = builder.Input("x", inputShape);
        long[] weightShape = layer switch
        {
            "grouped convolution" => [6, 2, 3, 3],
            "transposed convolution" => [4, 6, 3, 3],
            "grouped transposed convolution" => [4, 3, 3, 3],
            "linear layer" => [6, 4],
            _ => [4, 6],
        };
        var weight = builder.Parameter("weight", torch.randn(weightShape, generator: generator));
        var bias = builder.Parameter("bias", torch.randn(6, generator: generator));
        var value = layer switch
        {
            "linear layer" => builder.Node("Gemm", "layer", [x, weight, bias], ("transB", 1), ("alpha", 0.5f)),
            "linear layer of an untransposed weight" => builder.Node("Gemm", "layer", [x, weight, bias]),
            _ => builder.Node(layer.Contains("transposed", StringComparison.Ordinal) ? "ConvTranspose" : "Conv",
                "layer", [x, weight, bias], ("group", layer.StartsWith("grouped", StringComparison.Ordinal) ? 2 : 1)),
        };
        Normalize(builder, "y", value, 6, generator);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));

        using var folded = FoldBatchNormalization.Apply(network);

        Assert.HasCount(1, folded.Graph.Nodes);
        inputShape[0] = 3;
        var input = torch.randn(inputShape, generator: generator);
        Assert.IsLessThan(1e-5f, network.Forward(input).sub(folded.Forward(input)).abs().max().item<float>());
    }

    [TestMethod]
    public void A_value_that_others_read_and_a_weight_that_others_share_keep_what_they_were()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(7);
        using var builder = new NetworkBuilder();
        var x = builder.Input("x", -1, 2, 4, 4);
        var shared = builder.Parameter("shared.weight", torch.randn([2, 2, 1, 1], generator: generator));
        var read = Normalize(builder, "bn1", builder.Node("Conv", "read.twice", [x, shared]), 2, generator);
        var alone = Normalize(builder, "bn2", builder.Node("Conv", "alone", [read, shared]), 2, generator);
        builder.Node("Add", "y", [alone, "read.twice"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));

        using var folded = FoldBatchNormalization.Apply(network);

        CollectionAssert.AreEqual(new[] { "Conv", "BatchNormalization", "Conv", "Add" },
            folded.Graph.Nodes.Select(node => node.Operator.Type).ToArray());
        Assert.IsTrue(folded.Parameters["shared.weight"].allclose(network.Parameters["shared.weight"]));
        var input = torch.randn([3, 2, 4, 4], generator: generator);
        Assert.IsLessThan(1e-5f, network.Forward(input).sub(folded.Forward(input)).abs().max().item<float>());
    }

    [TestMethod]
    public void Folding_leaves_no_tensor_behind()
    {
        using var network = ResNet.Cifar(8, 10, seed: 1);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        FoldBatchNormalization.Apply(network).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private static string Normalize(
        NetworkBuilder builder, string name, string value, int channels, torch.Generator generator) =>
        builder.Node("BatchNormalization", name,
    [
        value,
        builder.Parameter($"{name}.weight", torch.rand(channels, generator: generator).add_(0.5)),
        builder.Parameter($"{name}.bias", torch.randn(channels, generator: generator)),
        builder.Parameter($"{name}.mean", torch.randn(channels, generator: generator), ParameterRole.Statistic),
        builder.Parameter($"{name}.var", torch.rand(channels, generator: generator).add_(0.5), ParameterRole.Statistic),
    ]);

    /// <summary>Moves the normalizations away from the identity that they start as.</summary>
    private static Network Trained(Network network)
    {
        using var generator = new torch.Generator(11);
        using var noGradients = torch.no_grad();
        foreach (var parameter in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Statistic))
        {
            using var noise = torch.rand(parameter.Shape.ToArray(), generator: generator);
            network.Parameters[parameter.Name].add_(noise);
        }
        return network;
    }

    private static torch.Tensor Tensor(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Array)
            return torch.tensor(Numbers(element));
        return torch.tensor(Numbers(element.GetProperty("data")))
            .reshape([.. element.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())]);
    }

    private static float[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.GetSingle())];

    private static void AssertClose(JsonElement expected, torch.Tensor actual)
    {
        var tensor = Tensor(expected);
        Assert.IsLessThan(1e-5f * tensor.abs().max().item<float>(), tensor.sub(actual).abs().max().item<float>());
    }
}
