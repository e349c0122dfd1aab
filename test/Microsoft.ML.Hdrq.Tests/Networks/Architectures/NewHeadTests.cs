using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Architectures;

/// <summary>Networks with new heads: what they compute is put together from their parts by hand.</summary>
[TestClass]
public sealed class NewHeadTests
{
    private static readonly string[] _names = ["cat", "dog", "horse", "frog"];

    /// <summary>How a network ends: the nodes after images of 6 features, and what it gives.</summary>
    public static IEnumerable<object[]> Ends =>
    [
        ["global pooling and a linear layer", false],
        ["mean over positions and a linear layer", false],
        ["linear layer with its bias apart", false],
        ["linear layer and softmax", false],
        ["linear layer and logarithms", false],
        ["pooling of the whole image", false],
        ["convolution, pooling and softmax", false],
        ["pooling and convolution", false],
        ["features", false],
        ["linear layer of all positions", true],
    ];

    [TestMethod]
    [DynamicData(nameof(Ends))]
    public void A_classifier_reads_the_features(string end, bool keepsSize)
    {
        using var scope = torch.NewDisposeScope();
        using var network = WithEnd(end);
        using var headed = network.WithClassifier(_names, seed: 3);
        CollectionAssert.AreEqual(_names, headed.ClassNames!.ToArray());
        Assert.AreEqual(keepsSize ? 8 : -1, headed.Graph.Inputs[0].Shape[2], end);

        var image = Image(8, 8);
        var features = Features(network, image);
        var rows = keepsSize ? features.flatten(1) : features.mean([2, 3]);
        AssertClose(Linear(headed, rows), headed.Forward(image));
        if (keepsSize)
            return;
        var larger = Image(14, 11);
        AssertClose(Linear(headed, Features(network, larger).mean([2, 3])), headed.Forward(larger));

        static torch.Tensor Linear(Network network, torch.Tensor rows) =>
            rows.matmul(network.Parameters["head.weight"].t()) + network.Parameters["head.bias"];
    }

    [TestMethod]
    public void Everything_before_the_head_is_kept_and_the_head_follows_from_the_seed()
    {
        using var network = WithEnd("linear layer and softmax");
        network.Metadata = network.Metadata.SetItem("owner", "me")
            .SetItem(NetworkMetadata.Normalization, "mean 1, deviation 2").SetItem(NetworkMetadata.Source, "abc");
        using var headed = network.WithClassifier(_names, seed: 3);
        using var again = network.WithClassifier(_names, seed: 3);
        using var other = network.WithClassifier(_names, seed: 4);
        Assert.IsTrue(network.Parameters["conv.weight"].equal(headed.Parameters["conv.weight"]).all().item<bool>());
        Assert.AreEqual(again.ParametersSha256(), headed.ParametersSha256());
        Assert.AreNotEqual(other.ParametersSha256(), headed.ParametersSha256());
        CollectionAssert.AreEquivalent(
            new[] { "conv.weight", "head.weight", "head.bias" }, headed.Parameters.Keys.ToArray());
        CollectionAssert.AreEquivalent(
            new[] { "owner", NetworkMetadata.Normalization, NetworkMetadata.ClassNames }, headed.Metadata.Keys.ToArray());
    }

    [TestMethod]
    public void Features_can_be_named()
    {
        using var scope = torch.NewDisposeScope();
        using var network = WithEnd("global pooling and a linear layer");
        using var headed = network.WithClassifier(_names, seed: 3, features: "conv");
        var image = Image(8, 8);
        var features = torch.nn.functional.conv2d(image, network.Parameters["conv.weight"], padding: [1L, 1L]);
        AssertClose(
            features.mean([2, 3]).matmul(headed.Parameters["head.weight"].t()) + headed.Parameters["head.bias"],
            headed.Forward(image));
    }

    [TestMethod]
    public void A_segmenter_joins_features_of_several_sizes()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Pyramid();
        using var headed = network.WithSegmenter(_names, seed: 3);
        var image = Image(64, 96);
        var fine = torch.nn.functional.conv2d(
            image, network.Parameters["fine.weight"], strides: [8L, 8L]).relu();
        var coarse = torch.nn.functional.conv2d(fine, network.Parameters["coarse.weight"], strides: [2L, 2L]).relu();
        var scores = Score("head", coarse);
        scores = Resize(scores, 8, 12) + Score("head.skip1", fine);
        AssertClose(Resize(scores, 64, 96), headed.Forward(image));

        torch.Tensor Score(string name, torch.Tensor features) => torch.nn.functional.conv2d(
            features, headed.Parameters[$"{name}.weight"], headed.Parameters[$"{name}.bias"]);

        static torch.Tensor Resize(torch.Tensor value, int height, int width) =>
            torch.nn.functional.interpolate(
                value, size: [height, width], mode: torch.InterpolationMode.Bilinear, align_corners: false);
    }

    [TestMethod]
    public void A_network_with_a_new_head_is_quantized_like_any_other()
    {
        using var network = ResNet.Cifar(8, 10, seed: 1, width: 4, inputSize: 16);
        using var headed = network.WithClassifier(_names, seed: 3);
        using var calibration = torch.rand([8, 3, 16, 16], generator: new torch.Generator(5));
        using var quantized = NetworkQuantizer.Quantize(
            headed, calibration, new RoundToNearestOptions { WeightBits = 8, ActivationBits = 8 }, 1, default);
        using var expected = headed.Forward(calibration);
        using var actual = quantized.Forward(calibration);
        Assert.IsLessThan(0.05 * (double)expected.abs().max().item<float>(), (expected - actual).abs().max().item<float>());
    }

    [TestMethod]
    public void What_cannot_be_is_refused_by_name()
    {
        using var network = WithEnd("global pooling and a linear layer");
        AssertThrows("'cat'", () => network.WithClassifier(["cat"], 1));
        AssertThrows("distinct", () => network.WithClassifier(["cat", "cat"], 1));
        AssertThrows("'nothing'", () => network.WithClassifier(_names, 1, "nothing"));
        AssertThrows("[1, 6]", () => network.WithSegmenter(_names, 1, "flat"));

        static void AssertThrows(string part, Func<Network> make) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(make).Message, part);
    }

    private static torch.Tensor Image(int height, int width) =>
        torch.randn([2, 3, height, width], generator: new torch.Generator(9));

    private static torch.Tensor Features(Network network, torch.Tensor image) =>
        torch.nn.functional.conv2d(image, network.Parameters["conv.weight"], padding: [1L, 1L]).relu();

    private static void AssertClose(torch.Tensor expected, torch.Tensor actual)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsLessThan(1e-5f, (expected - actual).abs().max().item<float>());
    }

    private static Network WithEnd(string end)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var random = new torch.Generator(7);
        builder.Input("input", -1, 3, 8, 8);
        Weight("conv.weight", 6, 3, 3, 3);
        builder.Node("Conv", "conv", ["input", "conv.weight"], ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("Relu", "relu", ["conv"]);
        switch (end)
        {
            case "global pooling and a linear layer":
                Pool();
                return Built(Gemm());
            case "mean over positions and a linear layer":
                builder.Node("ReduceMean", "flat", ["relu", builder.Constant("axes", 2, 3)], ("keepdims", 0L));
                return Built(Gemm());
            case "linear layer with its bias apart":
                Pool();
                builder.Node("MatMul", "product", ["flat", Weight("linear.weight", 6, 5)]);
                return Built(builder.Node("Add", "scores", ["product", Weight("linear.bias", 5)]));
            case "linear layer and softmax":
                Pool();
                return Built(builder.Node("Softmax", "scores", [Gemm()], ("axis", 1L)));
            case "linear layer and logarithms":
                Pool();
                return Built(builder.Node("LogSoftmax", "scores", [Gemm()], ("axis", 1L)));
            case "pooling of the whole image":
                builder.Node("AveragePool", "pool", ["relu"], ("kernel_shape", new long[] { 8, 8 }));
                return Built("pool", 6, 1, 1);
            case "convolution, pooling and softmax":
                builder.Node("Conv", "classes", ["relu", Weight("classes.weight", 5, 6, 1, 1)]);
                builder.Node("Relu", "positive", ["classes"]);
                builder.Node("GlobalAveragePool", "pool", ["positive"]);
                builder.Node("Flatten", "flat", ["pool"]);
                return Built(builder.Node("Softmax", "scores", ["flat"], ("axis", 1L)));
            case "pooling and convolution":
                builder.Node("GlobalAveragePool", "pool", ["relu"]);
                builder.Node("Conv", "classes", ["pool", Weight("classes.weight", 5, 6, 1, 1)]);
                return Built(builder.Node("Flatten", "scores", ["classes"]));
            case "features":
                return Built("relu", 6, 8, 8);
            default:
                builder.Node("Flatten", "flat", ["relu"]);
                return Built(builder.Node("Gemm", "scores", ["flat", Weight("linear.weight", 6 * 64, 5)]));
        }

        string Weight(string name, params long[] shape) =>
            builder.Parameter(name, torch.randn(shape, generator: random));

        void Pool()
        {
            builder.Node("GlobalAveragePool", "pool", ["relu"]);
            builder.Node("Flatten", "flat", ["pool"]);
        }

        string Gemm() => builder.Node("Gemm", "linear", ["flat", Weight("linear.weight", 6, 5)]);

        Network Built(string output, params long[] shape) =>
            builder.Build(new GraphValue(output, ElementType.Float32, shape is [] ? [-1, 5] : [-1, .. shape]));
    }

    /// <summary>Features of an eighth and a sixteenth of the image's size.</summary>
    private static Network Pyramid()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var random = new torch.Generator(7);
        builder.Input("input", -1, 3, 64, 64);
        builder.Parameter("fine.weight", torch.randn([6, 3, 8, 8], generator: random) * 0.1);
        builder.Parameter("coarse.weight", torch.randn([8, 6, 2, 2], generator: random) * 0.3);
        builder.Node("Conv", "fine", ["input", "fine.weight"], ("strides", new long[] { 8, 8 }));
        builder.Node("Relu", "fine.relu", ["fine"]);
        builder.Node("Conv", "coarse", ["fine.relu", "coarse.weight"], ("strides", new long[] { 2, 2 }));
        builder.Node("Relu", "coarse.relu", ["coarse"]);
        builder.Node("GlobalAveragePool", "pool", ["coarse.relu"]);
        return builder.Build(new GraphValue("pool", ElementType.Float32, [-1, 8, 1, 1]));
    }
}
