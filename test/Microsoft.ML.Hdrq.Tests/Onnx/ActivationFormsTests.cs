using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Activations that exporters write out in several nodes, against ONNX Runtime on the same file.</summary>
[TestClass]
public class ActivationFormsTests
{
    private const double Tolerance = 1e-5;

    private static readonly long[] Image = [2, 3, 4, 6];

    private static readonly IMessage[] _numbers =
    [
        Scalar("tiny", 9e-7f), Scalar("zero", 0), Scalar("half", 0.5f), Scalar("one", 1), Floats("two", [1], 2),
        Scalar("three", 3), Floats("six", [1], 6), Scalar("sixth", 1 / 6f),
        Scalar("root", 1.41421356f), Scalar("inverse", 0.70710678f), Scalar("outer", 0.7978846f),
        Scalar("inner", 0.044715f), Scalar("quick", 1.702f),
        Scalar("a", 0.3f), Scalar("b", 0.4f), Scalar("near", 2.99f), Scalar("about", 1.4142f),
        Floats("channels", [3, 1, 1], 3, 3, 3), Floats("four", [1, 1, 1, 1], 3),
    ];

    private static IEnumerable<TestDataRow<(string Expected, byte[] Model)>> Forms =>
    [
        Form("HardSigmoid(alpha=0.3, beta=0.4)", "Mul x a m", "Add m b s", "Clip s zero one y"),
        Form("HardSigmoid(alpha=0.3, beta=0.15)", "Add half x s", "Mul a s m", "Clip m zero one y"),
        Form("HardSigmoid(alpha=0.5, beta=0.4)", "Div x two d", "Add d b s", "Clip s zero one y"),
        Form("HardSigmoid(alpha=1, beta=0.4)", "Add x b s", "Clip s zero one y"),
        Form("HardSigmoid(alpha=0.16666667)", "Add x three s", "Clip s zero six c", "Div c six y"),
        Form("HardSigmoid(alpha=0.16666667)", "Add x three s", "Clip s zero six c", "Mul sixth c y"),
        Form("HardSigmoid(alpha=-0.16666667)", "Sub three x s", "Clip s zero six c", "Div c six y"),
        Form("HardSwish", "Add x three s", "Clip s zero six c", "Mul x c m", "Div m six y"),
        Form("HardSwish", "Add x three s", "Clip s zero six c", "Mul c x m", "Mul m sixth y"),
        Form("HardSwish", "Add three x s", "Clip s zero six c", "Div c six d", "Mul x d y"),
        Form("HardSwish", "Add x three s", "Clip s zero six c", "Div x six d", "Mul d c y"),
        Form("HardSwish", "Mul x sixth m", "Add m half s", "Clip s zero one c", "Mul x c y"),
        Form("HardSwish", "HardSigmoid:alpha=0.16666667 x g", "Mul x g y"),
        Form("Swish", "Sigmoid x g", "Mul x g y"),
        Form("Swish", "Sigmoid x g", "Mul g x y"),
        Form("Swish(alpha=1.702)", "Mul quick x m", "Sigmoid m g", "Mul x g y"),
        Form("Gelu", "Div x root d", "Erf d e", "Add e one s", "Mul x s m", "Mul m half y"),
        Form("Gelu", "Mul x inverse d", "Erf d e", "Add one e s", "Mul x half h", "Mul h s y"),
        Form("Gelu", "Div x root d", "Erf d e", "Add e one s", "Mul half s h", "Mul h x y"),
        Form("Gelu", "Div x root d", "Erf d e", "Add e one s", "Div s two h", "Mul x h y"),
        Form("Gelu", "Div x root d", "Erf d e", "Mul x half h", "Mul h e m", "Add m h y"),
        Form("Gelu(approximate=tanh)", "Pow x three p", "Mul p inner i", "Add x i s", "Mul s outer o", "Tanh o t",
            "Add t one f", "Mul x f m", "Mul m half y"),
        Form("Gelu(approximate=tanh)", "Mul x x q", "Mul q x p", "Mul inner p i", "Add i x s", "Mul outer s o",
            "Tanh o t", "Add one t f", "Mul half x h", "Mul h f y"),
        Form("Gelu(approximate=tanh)", "Pow x two q", "Mul q inner i", "Add i one s", "Mul x outer v", "Mul v s o",
            "Tanh o t", "Add t one f", "Mul half f h", "Mul x h y"),
    ];

    private static IEnumerable<TestDataRow<(string Expected, byte[] Model)>> Others =>
    [
        Other("another shift", "Add x near s", "Clip s zero six c", "Mul x c m", "Div m six y"),
        Other("another divisor", "Add x three s", "Clip s zero six c", "Mul x c m", "Div m two y"),
        Other("a bound that is not reached by the divisor", "Add x three s", "Clip s zero three c", "Div c six y"),
        Other("a root of four digits", "Div x about d", "Erf d e", "Add e one s", "Mul x s m", "Mul m half y"),
        Other("the gate of another value", "Neg x n", "Exp n v", "Sigmoid v g", "Mul x g y"),
        Other("a number for each channel", "Add x channels s", "Clip s zero six c", "Mul x c m", "Div m six y"),
        Other("a number that may add dimensions", "Add x four s", "Clip s zero six c", "Mul x c m", "Div m six y"),
        Other("an intermediate value that others read", "Add x three s", "Clip s zero six c", "Mul x c m",
            "Div m six d", "Add d s y"),
        Other("a gate that others read", "Sigmoid x g", "Mul x g m", "Sub m g y"),
        Other("a small term, which is large for a large input", "Sigmoid x g", "Add g tiny h", "Mul x h y"),
        Other("clipping alone", "Clip x zero one y"),
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void AFormBecomesOneOperator(string expected, byte[] model)
    {
        using var network = Load(model);
        Assert.AreEqual(expected, string.Join(' ', network.Graph.Nodes.Select(node => node.Operator.ToString())));
        AssertEqualScores(model, model, network);
        foreach (int? opset in (int?[])[null, 9, 13, 14, 20, 24])
        {
            var written = Save(network, opset);
            AssertEqualScores(model, written, network);
            using var again = Load(written);
            Assert.IsNull(network.Graph.FirstDifference(again.Graph), $"opset {opset}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Others))]
    public void WhatIsNotExactlyThatIsLeftAlone(string expected, byte[] model)
    {
        using var network = Load(model);
        Assert.AreEqual(expected, string.Join(' ', network.Graph.Nodes.Select(node => node.Operator.Type)));
        AssertEqualScores(model, model, network);
    }

    [TestMethod]
    public void AnIntermediateValueThatIsAnOutputIsKept()
    {
        var model = Model("Add x three s", "Clip s zero six c", "Mul x c m", "Div m six y");
        model.Graph.Output.Add(Value("c"));
        using var network = Load(model);
        Assert.AreEqual("Add Clip Mul Div", string.Join(' ', network.Graph.Nodes.Select(node => node.Operator.Type)));
        AssertEqualScores(model.ToByteArray(), model.ToByteArray(), network);
    }

    [TestMethod]
    public void ConstantsOfAFileInHalfPrecisionAreAsExactAsTheFile()
    {
        using var single = Load(Model("Div x root d", "Erf d e", "Add e one s", "Mul x s m", "Mul m half y"));
        using var stream = new MemoryStream();
        single.SaveOnnx(stream, new() { HalfPrecision = true, Opset = 13 });
        using var half = Load(stream.ToArray());
        Assert.IsNull(single.Graph.FirstDifference(half.Graph));
    }

    /// <summary>Blocks as of MobileNetV3: a convolution, HardSwish, and channels weighted by HardSigmoid.</summary>
    [TestMethod]
    public void LayersAroundThemAreIntegerKernelsAndNoQuantizerIsInThem()
    {
        var model = ModelOf(11, [-1, 3, 8, 8],
        [
            .. _numbers, Random("w1", 1, 8, 3, 3, 3), Random("b1", 2, 8), Random("w2", 3, 4, 8, 1, 1),
            Random("w3", 4, 8, 4, 1, 1), Random("w4", 5, 8, 8, 3, 3), Random("w5", 6, 5, 8, 1, 1),
            Node("Conv", "x w1 b1", "c1", ("pads", new[] { 1L, 1, 1, 1 })),
            .. HardSwish("c1", "h1"),
            Node("GlobalAveragePool", "h1", "pooled"), Node("Conv", "pooled w2", "c2"), Node("Relu", "c2", "r2"),
            Node("Conv", "r2 w3", "c3"),
            Node("Add", "c3 three", "s3"), Node("Clip", "s3 zero six", "l3"), Node("Div", "l3 six", "gate"),
            Node("Mul", "h1 gate", "weighted"),
            Node("Conv", "weighted w4", "c4"),
            .. HardSwish("c4", "h4"),
            Node("GlobalAveragePool", "h4", "last"), Node("Conv", "last w5", "c5"), Node("Flatten", "c5", "y"),
        ]);
        using var scope = torch.NewDisposeScope();
        using var network = Load(model);
        var images = torch.randn([16, 3, 8, 8], generator: new torch.Generator(1));
        using var quantized = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = 8, ActivationBits = 8 });
        var report = OnnxReport.Of(quantized);
        Assert.HasCount(5, report.Layers);
        Assert.IsTrue(report.Layers.All(layer => layer is { IsInteger: true, WeightBits: 8 }), report.ToString());
        var types = quantized.Graph.Nodes.Select(node => node.Operator.Type)
            .Where(type => type is not ("FakeQuantize" or "Flatten" or "GlobalAveragePool")).ToList();
        // What the gate scales and shifts is in the layer's weights, and its clipping in the range of its quantizer.
        Assert.AreEqual("Conv HardSwish Conv Relu Conv Relu Mul Conv HardSwish Conv", string.Join(' ', types));
        var (expected, actual) = (network.Forward(images), quantized.Forward(images));
        Assert.IsLessThan(0.05 * expected.abs().max().item<float>(), (expected - actual).abs().max().item<float>());

        var written = Save(quantized);
        using var again = Load(written);
        Assert.IsNull(quantized.Graph.FirstDifference(again.Graph));
        var rows = TensorData.FromTorch(images);
        var (first, second) = (Run(written, rows), Run(Save(again, 13), rows));
        Assert.AreEqual(0, first.sub(second).abs().max().item<float>());
        Assert.IsLessThan(0.02 * expected.abs().max().item<float>(), first.sub(actual).abs().max().item<float>());

        static IEnumerable<IMessage> HardSwish(string x, string y) =>
            [Node("Add", $"{x} three", $"{y}.s"), Node("Clip", $"{y}.s zero six", $"{y}.c"),
                Node("Mul", $"{x} {y}.c", $"{y}.m"), Node("Div", $"{y}.m six", y)];
    }

    private static void AssertEqualScores(byte[] original, byte[] model, Network network)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.randn(Image, generator: new torch.Generator(3)).mul(3);
        var input = TensorData.FromTorch(rows);
        var (expected, read, actual) = (Run(original, input), Run(model, input), network.Forward(rows));
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsLessThanOrEqualTo(Tolerance, expected.sub(actual).abs().max().item<float>());
        Assert.IsLessThanOrEqualTo(Tolerance, expected.sub(read).abs().max().item<float>());
    }

    private static torch.Tensor Run(byte[] model, TensorData input) =>
        OnnxRuntimeReference.Run(model, [("x", input)])[0].ToTorch();

    private static TensorProto Scalar(string name, float number) => Floats(name, [], number);

    private static TestDataRow<(string, byte[])> Form(string expected, params string[] nodes) =>
        new((expected, Model(nodes).ToByteArray())) { DisplayName = $"{expected}: {string.Join(", ", nodes)}" };

    private static TestDataRow<(string, byte[])> Other(string name, params string[] nodes) =>
        new((string.Join(' ', nodes.Select(node => node.Split(' ')[0])), Model(nodes).ToByteArray())) { DisplayName = name };

    /// <summary>A model of nodes, each a type, perhaps with an attribute, the inputs, and the output.</summary>
    private static ModelProto Model(params string[] nodes) =>
        ModelOf(13, [-1, .. Image[1..]], [.. _numbers, .. nodes.Select(Parse)]);

    private static IMessage Parse(string node)
    {
        var words = node.Split(' ');
        var (type, inputs) = (words[0].Split(':', '='), string.Join(' ', words[1..^1]));
        return type is [_, var attribute, var number]
            ? Node(type[0], inputs, words[^1],
                (attribute, float.Parse(number, System.Globalization.CultureInfo.InvariantCulture)))
            : Node(type[0], inputs, words[^1]);
    }
}
