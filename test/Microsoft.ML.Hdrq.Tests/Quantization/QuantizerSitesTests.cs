using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class QuantizerSitesTests
{
    private const string PaperActivations =
        "relu:4 layer1.0.relu1:4 layer1.0.relu2:4 layer2.0.relu1:4 layer2.0.relu2:4 layer3.0.relu1:4";
    private const string InnerWeights =
        "layer1.0.conv1.weight:3 layer1.0.conv2.weight:3 layer2.0.conv1.weight:3 layer2.0.conv2.weight:3 "
            + "layer3.0.conv1.weight:3 layer3.0.conv2.weight:3";

    [TestMethod]
    public void ThePapersPlacesInAResidualNetwork()
    {
        using var network = SmallNetworks.Residual();
        AssertSites(network, QuantizerPlacement.Paper,
            $"{PaperActivations} layer3.0.relu2:8 {InnerWeights} conv1.weight:8 linear.weight:8");
    }

    [TestMethod]
    public void IntegerPlacesInAResidualNetwork()
    {
        using var network = SmallNetworks.Residual();
        AssertSites(network, QuantizerPlacement.Integer,
            $"{PaperActivations} layer3.0.relu2:8 {InnerWeights} conv1.weight:8 linear.weight:8 input:8 "
                + "layer1.0.bn2:8 layer2.0.bn2:8 layer3.0.bn2:8 avgpool:8 scores:8");
    }

    [TestMethod]
    public void ExceptionsHoldForTheLayersThatTheyName()
    {
        using var network = SmallNetworks.Residual();
        LayerOverride[] overrides =
        [
            new(@"^layer2\.0\.conv1$") { Skip = true },
            new("^layer2") { WeightBits = 5, ActivationBits = 6 },
            new("^conv1$") { WeightBits = 7, ActivationBits = 5 },
            new("^scores$") { WeightBits = 2, ActivationBits = 7 },
        ];
        // The first exception that matches holds: conv1 of layer2 is left alone, conv2 has other bits; so have the
        // first and the last layer.
        var paper = "relu:4 layer1.0.relu1:4 layer2.0.relu1:6 layer2.0.relu2:4 layer3.0.relu1:4 layer3.0.relu2:7 "
            + InnerWeights.Replace("layer2.0.conv1.weight:3 layer2.0.conv2.weight:3", "layer2.0.conv2.weight:5",
                StringComparison.Ordinal) + " conv1.weight:7 linear.weight:2";
        AssertSites(network, QuantizerPlacement.Paper, paper, overrides);
        // With edges quantized, neither what the skipped layer reads (layer1.0.relu2) nor what it gives is; the
        // shortcut from there is rounded where it ends.
        AssertSites(network, QuantizerPlacement.Integer,
            paper.Replace("layer3.0.relu2:7", "layer3.0.relu2:8", StringComparison.Ordinal)
                + " input:5 layer1.0.bn2:8 layer2.0.bn2:8 layer2.0.shortcut.pad:8 layer3.0.bn2:8 avgpool:7 scores:8",
            overrides);
    }

    [TestMethod]
    public void SkippingTheLastLayerLeavesItsInputAndTheScoresAlone()
    {
        using var network = SmallNetworks.Residual();
        var sites = QuantizerSites
            .Find(network, QuantizerPlacement.Integer, 4, 4, [new("scores") { Skip = true }], reduceRange: true)
            .Select(site => site.Value)
            .ToList();
        foreach (var value in new[] { "linear.weight", "avgpool", "flatten", "scores" })
            CollectionAssert.DoesNotContain(sites, value);
        CollectionAssert.Contains(sites, "layer3.0.relu2");
    }

    [TestMethod]
    public void ConvolutionsWithoutActivationsBetweenThemAreFedQuantizedValues()
    {
        // An inverted residual: expansion, depthwise, linear projection, addition, and the next block's convolution
        // right after it.
        using var network = SmallNetworks.Build(builder =>
        {
            var stem = builder.Convolve("stem", "x");
            var expanded = builder.Node(
                "Clip", "clip", [builder.Convolve("expand", stem, 2, 4), "",
                    builder.Parameter("six", TorchSharp.torch.tensor(6f), ParameterRole.Constant)]);
            var sum = builder.Node("Add", "sum", [builder.Convolve("project", expanded, 4, 2), stem]);
            builder.Convolve("y", builder.Convolve("next", sum));
        });
        AssertSites(network, QuantizerPlacement.Paper,
            "stem:4 clip:4 sum:4 next:8 stem.weight:8 expand.weight:3 project.weight:3 next.weight:3 y.weight:8");
        AssertSites(network, QuantizerPlacement.Integer,
            "x:8 project:8 y:8 stem:4 clip:4 sum:4 next:8 stem.weight:8 expand.weight:3 project.weight:3 next.weight:3 y.weight:8");
    }

    [TestMethod]
    public void AnInputBehindANormalizationIsStillTheInput()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            builder.Node("Sub", "centred",
                ["x", builder.Parameter("mean", TorchSharp.torch.full([1, 2, 1, 1], 0.5f), ParameterRole.Constant)]);
            // Two layers read it: both are first layers.
            builder.Node("Concat", "both", [builder.Convolve("a", "centred"), builder.Convolve("b", "centred")],
                ("axis", 1));
            builder.Convolve("y", builder.Convolve("middle", "both", 4, 2));
        });
        AssertSites(network, QuantizerPlacement.Paper, "both:4 middle:8 a.weight:8 b.weight:8 middle.weight:3 y.weight:8");
        AssertSites(network, QuantizerPlacement.Integer,
            "centred:8 a:8 b:8 y:8 both:4 middle:8 a.weight:8 b.weight:8 middle.weight:3 y.weight:8");
    }

    [TestMethod]
    public void ScoresBehindASeparateBiasAreQuantizedBehindIt()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            builder.Node("Flatten", "flat", [builder.Node("Relu", "r", [builder.Convolve("c", "x")])]);
            builder.Node("MatMul", "product", ["flat", builder.Parameter("w", SmallNetworks.Random(1, 128, 3))]);
            builder.Node("Add", "y", ["product", builder.Parameter("b", SmallNetworks.Random(2, 3))]);
        });
        AssertSites(network, QuantizerPlacement.Integer, "x:8 r:8 y:8 c.weight:8 w:8");
        AssertSites(network, QuantizerPlacement.Paper, "r:8 c.weight:8 w:8");
    }

    [TestMethod]
    public void AValueThatIsOnlyMovedIsRoundedOnceBeforeIt()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var relu = builder.Node("Relu", "relu", [builder.Convolve("stem", "x")]);
            builder.Node("MaxPool", "pool", [relu], ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
            builder.Node("Transpose", "turned", ["pool"], ("perm", new long[] { 0, 1, 3, 2 }));
            builder.Convolve("y", builder.Convolve("middle", "turned"));
        });
        AssertSites(network, QuantizerPlacement.Integer, "x:8 relu:4 middle:8 y:8 stem.weight:8 middle.weight:3 y.weight:8");
        AssertSites(network, QuantizerPlacement.Paper, "turned:4 middle:8 stem.weight:8 middle.weight:3 y.weight:8");
    }

    // Products of 8 bits with 8 bits have the reduced range, which those of first and last layers always are.
    [TestMethod]
    [DataRow(8, 8, true, "11111111")]
    [DataRow(8, 8, false, "00000000")]
    [DataRow(4, 8, true, "10000001")]
    [DataRow(8, 4, true, "10000001")]
    [DataRow(4, 4, true, "10000001")]
    [DataRow(4, 4, false, "00000000")]
    [DataRow(8, 8, true, "01111111", "^conv1$ ReduceRange=false")]
    [DataRow(8, 8, true, "10111111", @"^layer1\.0\.conv1$ ActivationBits=7")]
    [DataRow(8, 8, true, "10111111", @"^layer1\.0\.conv1$ WeightBits=7")]
    [DataRow(4, 8, true, "11000001", @"^layer1\.0\.conv1$ WeightBits=8")]
    [DataRow(4, 4, true, "10000001", @"^layer1\.0\.conv1$ WeightBits=8")]
    [DataRow(4, 4, true, "10000001", "^conv1$ WeightBits=8 ActivationBits=8")]
    [DataRow(4, 4, false, "10000000", "^conv1$ ReduceRange=true")]
    public void Weights_of_eight_bits_have_the_reduced_range_where_activations_have_eight_bits(
        int weightBits, int activationBits, bool reduceRange, string expected, string? exception = null)
    {
        using var network = SmallNetworks.Residual();
        LayerOverride[] overrides = exception is null ? [] : [Parse(exception)];
        var sites = QuantizerSites
            .Find(network, QuantizerPlacement.Integer, weightBits, activationBits, overrides, reduceRange)
            .ToDictionary(site => site.Value);
        var weights = network.Graph.Layers.All.Select(layer => sites[layer.Weight]).ToList();
        Assert.AreEqual(expected, string.Concat(weights.Select(site => site.IsReduced ? '1' : '0')));
        foreach (var site in weights)
        {
            var range = site.IsReduced ? QuantizationRange.Between(-64, 64) : new(site.Bits, isSigned: true);
            Assert.AreEqual(range, site.Range(isSigned: true));
        }
        Assert.IsFalse(sites.Values.Any(site => site is { Layer: null, IsReduced: true }));

        static LayerOverride Parse(string text)
        {
            var words = text.Split(' ');
            var settings = words[1..].Select(word => word.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
            return new(words[0])
            {
                WeightBits = Bits("WeightBits"),
                ActivationBits = Bits("ActivationBits"),
                ReduceRange = settings.TryGetValue("ReduceRange", out var reduce) ? bool.Parse(reduce) : null,
            };

            int? Bits(string name) => settings.TryGetValue(name, out var bits)
                ? int.Parse(bits, CultureInfo.InvariantCulture)
                : null;
        }
    }

    // With the paper's places the first layer reads numbers: no integers are multiplied there.
    [TestMethod]
    public void AWeightThatIsMultipliedByNumbersKeepsTheFullRange()
    {
        using var network = SmallNetworks.Residual();
        var sites = QuantizerSites
            .Find(network, QuantizerPlacement.Paper, 8, 8, [], reduceRange: true)
            .Where(site => site.Layer is not null)
            .ToList();
        Assert.AreEqual("conv1.weight", sites.Single(site => !site.IsReduced).Value);
        Assert.HasCount(8, sites);
    }

    [TestMethod]
    public void APatternThatNeverEndsIsStopped()
    {
        var slow = new LayerOverride("^(a+)+$");
        Assert.ThrowsExactly<InvalidOperationException>(() => slow.Matches(new string('a', 60) + "!"));
        Assert.ThrowsExactly<System.Text.RegularExpressions.RegexParseException>(() => new LayerOverride("("));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LayerOverride("a") { WeightBits = 1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LayerOverride("a") { ActivationBits = 9 });
    }

    private static void AssertSites(
        Network network, QuantizerPlacement placement, string expected, params LayerOverride[] overrides)
    {
        var sites = QuantizerSites.Find(
            network, placement, weightBits: 3, activationBits: 4, overrides, reduceRange: true);
        Assert.AreEqual(
            string.Join(Environment.NewLine, expected.Split(' ').Order(StringComparer.Ordinal)),
            string.Join(Environment.NewLine,
                sites.Select(site => $"{site.Value}:{site.Bits}").Order(StringComparer.Ordinal)));
        Assert.IsTrue(sites.All(site => site.Layer is null != network.Parameters.ContainsKey(site.Value)));
    }
}
