using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class OnnxReportTests
{
    [TestMethod]
    public void A_network_of_integers_throughout()
    {
        var report = Report(QuantizerPlacement.Integer);
        Assert.HasCount(8, report.Layers);
        Assert.IsTrue(report.Layers.All(layer => layer is { IsInteger: true, Reason: null }), report.ToString());
        // 7 convolutions and a linear layer; the first and the last have 8 bits.
        Assert.AreEqual("8:8 4:4 4:4 4:4 4:4 4:4 4:4 8:8",
            string.Join(' ', report.Layers.Select(layer => $"{layer.WeightBits}:{layer.InputBits}")));
        // Those of 8 bits have the full range, as in the paper.
        Assert.AreEqual("01111110", Signs(report));
        Assert.AreEqual(7, report.IntegerOperators["QLinearConv"]);
        Assert.AreEqual(3, report.IntegerOperators["QLinearAdd"]);
        Assert.AreEqual(1, report.IntegerOperators["QGemm"]);
        // The padding of shortcuts is all that is done on numbers.
        CollectionAssert.IsSubsetOf(report.FloatOperators.Keys.ToList(), new[] { "Pad", "Slice" });
        StringAssert.Contains(report.ToString(), "8 of 8 layers are integer kernels", StringComparison.Ordinal);
        Assert.IsLessThan(0.5, (double)report.FileSize / report.FullPrecisionSize);
    }

    [TestMethod]
    [DataRow(8, true, "11111111")]
    [DataRow(8, false, "00000000")]
    [DataRow(4, true, "11111111")]
    [DataRow(4, false, "01111110")]
    public void Weights_of_8_bits_are_signed_with_the_reduced_range(int bits, bool reduceRange, string signs)
    {
        using var network = SmallNetworks.Residual();
        using var quantized = NetworkQuantizer.Quantize(
            network, SmallNetworks.Random(1, 4, 3, 8, 8),
            new RoundToNearestOptions { WeightBits = bits, ActivationBits = bits, ReduceRange = reduceRange });
        var report = OnnxReport.Of(quantized);
        Assert.AreEqual(signs, Signs(report));
        Assert.IsTrue(report.Layers.All(layer => layer.IsInteger));
        Assert.AreEqual("11111111", Signs(OnnxReport.Of(quantized, new() { SignedWeights = true })));
    }

    private static string Signs(OnnxReport report) =>
        string.Concat(report.Layers.Select(layer => layer.HasSignedWeight ? '1' : '0'));

    [TestMethod]
    public void The_papers_places_and_why_they_leave_layers_in_floating_point()
    {
        var report = Report(QuantizerPlacement.Paper);
        var reasons = report.Layers.ToDictionary(layer => layer.Name, layer => layer.Reason);
        Assert.AreEqual("Its input is not quantized.", reasons["conv1"]);
        Assert.AreEqual("Its output is not quantized.", reasons["layer1.0.conv2"]);
        StringAssert.Contains(report.ToString(), "layer1.0.conv2 (Conv): Its output is not quantized.",
            StringComparison.Ordinal);
    }

    [TestMethod]
    public void Every_layer_in_floating_point_has_a_remedy()
    {
        var paper = Report(QuantizerPlacement.Paper).Layers.Where(layer => !layer.IsInteger).ToList();
        Assert.IsTrue(paper.All(layer => layer.Remedy!.Contains("QuantizerPlacement.Integer", StringComparison.Ordinal)));
        Assert.IsTrue(Report(QuantizerPlacement.Integer).Layers.All(layer => layer.Remedy is null));
        using var network = SmallNetworks.Build(builder => builder.Node(
            "ConvTranspose", "y", [builder.Node("Relu", "relu", [builder.Convolve("conv", "x")]),
                builder.Parameter("up.weight", SmallNetworks.Random(1, 2, 2, 2, 2))]));
        using var images = torch.rand([4, 2, 8, 8], generator: new torch.Generator(1));
        using var quantized = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions());
        var transposed = OnnxReport.Of(quantized).Layers.Single(layer => layer.Type == "ConvTranspose");
        StringAssert.Contains(transposed.Reason!, "no integer kernel for ConvTranspose", StringComparison.Ordinal);
        StringAssert.Contains(transposed.Remedy!, "Resize", StringComparison.Ordinal);
        using var skipped = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { Overrides = [new("^conv$") { Skip = true }] });
        StringAssert.Contains(OnnxReport.Of(skipped).Layers[0].Remedy!, "'conv'", StringComparison.Ordinal);
    }

    [TestMethod]
    [DataRow("HardSwish written out")]
    [DataRow("HardSigmoid")]
    [DataRow("Selu")]
    [DataRow("Gelu written out")]
    [DataRow("Sigmoid times input")]
    [DataRow("BatchNormalization after Relu")]
    [DataRow("scaled and shifted")]
    public void Layers_before_any_activation_are_integer_kernels(string activation)
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var value = builder.Convolve("first", "x");
            value = builder.Convolve("second", Activate(builder, value, activation));
            builder.Convolve("y", Activate(builder, builder.Node("Relu", "relu", [value]), "none"));
        });
        using var images = torch.randn([8, 2, 8, 8], generator: new torch.Generator(1));
        using var quantized = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions());
        var report = OnnxReport.Of(quantized);
        Assert.HasCount(3, report.Layers);
        Assert.IsTrue(report.Layers.All(layer => layer.IsInteger), report.ToString());
        using var expected = network.Forward(images);
        using var actual = quantized.Forward(images);
        Assert.IsLessThan(0.05 * expected.abs().max().item<float>(), (expected - actual).abs().max().item<float>());
        if (activation == "scaled and shifted")
            Assert.IsFalse(quantized.Graph.Nodes.Any(node => node.Operator.Type is "Mul" or "Add" or "Sub" or "Div"));
    }

    private static string Activate(NetworkBuilder builder, string value, string activation)
    {
        switch (activation)
        {
            case "HardSwish written out":
                var clipped = builder.Node("Clip", "clip",
                    [builder.Node("Add", "add", [value, Number("three", 3)]), Number("zero", 0), Number("six", 6)]);
                return builder.Node("Div", "hardswish", [builder.Node("Mul", "mul", [value, clipped]), Number("sixth", 6)]);
            case "Gelu written out":
                var erf = builder.Node("Erf", "erf", [builder.Node("Div", "div", [value, Number("root", 1.41421356f)])]);
                return builder.Node("Mul", "gelu",
                    [builder.Node("Mul", "mul", [value, builder.Node("Add", "add", [erf, Number("one", 1)])]),
                        Number("half", 0.5f)]);
            case "Sigmoid times input":
                return builder.Node("Mul", "silu", [value, builder.Node("Sigmoid", "sigmoid", [value])]);
            case "BatchNormalization after Relu":
                return builder.Node("BatchNormalization", "bn",
                [
                    builder.Node("Relu", "positive", [value]),
                    builder.Parameter("bn.weight", torch.tensor(new[] { 0.5f, 2 })),
                    builder.Parameter("bn.bias", torch.tensor(new[] { 1f, -1 })),
                    builder.Parameter("bn.mean", torch.tensor(new[] { 0.2f, 0.1f }), ParameterRole.Statistic),
                    builder.Parameter("bn.var", torch.tensor(new[] { 0.5f, 1.5f }), ParameterRole.Statistic),
                ]);
            case "scaled and shifted":
                var scaled = builder.Node("Mul", "scaled", [Number("scale", 1.5f), value]);
                var shifted = builder.Node("Add", "shifted",
                    [scaled, builder.Parameter("shift", torch.tensor(new[] { 0.3f, -0.2f }, [1, 2, 1, 1]))]);
                var turned = builder.Node("Sub", "turned", [Number("centre", 0.1f), shifted]);
                return builder.Node("Relu", "positive",
                    [builder.Node("Div", "divided",
                        [turned, builder.Parameter("divisor", torch.tensor(new[] { 2f, 0.5f }, [2, 1, 1]),
                            ParameterRole.Constant)])]);
            case "none":
                return value;
            default:
                return builder.Node(activation, "activation", [value]);
        }

        string Number(string name, float number) => builder.Parameter(name, torch.tensor(number), ParameterRole.Constant);
    }

    [TestMethod]
    public void A_network_in_full_precision()
    {
        using var network = SmallNetworks.Residual();
        var report = OnnxReport.Of(network);
        Assert.IsTrue(report.Layers.All(
            layer => layer is { IsInteger: false, WeightBits: null, Reason: "Its weight is not quantized." }));
        Assert.AreEqual(0, report.Conversions);
        Assert.IsEmpty(report.IntegerOperators);
        Assert.IsGreaterThan(1, (double)report.FileSize / report.FullPrecisionSize);
    }

    [TestMethod]
    public void Saving_gives_the_report_of_the_file()
    {
        using var directory = new TemporaryDirectory();
        using var network = Quantized(QuantizerPlacement.Integer);
        var (path, expected) = (directory.Combine("a.onnx"), OnnxReport.Of(network));
        var report = OnnxReport.Save(network, path);
        Assert.AreEqual(new FileInfo(path).Length, report.FileSize);
        Assert.AreEqual(expected.ToString(), report.ToString());
        StringAssert.Matches(report.Summary,
            new(@"^[\d,]+ bytes, [\d.]+.?% of full precision; 8 of 8 layers are integer kernels \(2 W8A8, 6 W4A4\); \d+ of \d+ operators compute on integers, \d+ conversions$"));

        // With tensors in a file of their own.
        var split = OnnxReport.Save(network, path, new() { ExternalDataFile = "a.data", FourBitInitializers = true });
        Assert.AreEqual(new FileInfo(path).Length + new FileInfo(directory.Combine("a.data")).Length, split.FileSize);
        Assert.IsTrue(split.Layers.All(layer => layer.IsInteger));
        LiveTensors.AssertUnchanged(() => OnnxReport.Save(network, path));
    }

    [TestMethod]
    public void A_transformer_saves_its_network()
    {
        using var directory = new TemporaryDirectory();
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(Images.View(ml, Images.Rows(2)));
        var report = transformer.SaveOnnx(directory.Combine("a.onnx"));
        Assert.AreEqual(new FileInfo(directory.Combine("a.onnx")).Length, report.FileSize);
        using var again = Network.LoadOnnx(directory.Combine("a.onnx"));
        Assert.AreEqual(network.ParametersSha256(), again.ParametersSha256());
        transformer.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => transformer.SaveOnnx(directory.Combine("b.onnx")));
    }

    private static OnnxReport Report(QuantizerPlacement placement)
    {
        using var quantized = Quantized(placement);
        return OnnxReport.Of(quantized);
    }

    private static Network Quantized(QuantizerPlacement placement)
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 10, seed: 1);
        return NetworkQuantizer.Quantize(
            network, SmallNetworks.Random(1, 4, 3, 32, 32),
            SmallNetworks.Nearest with { WeightBits = 4, ActivationBits = 4, Placement = placement }, seed: 1);
    }
}
