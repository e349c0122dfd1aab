using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>What quantizing single layers does.</summary>
[TestClass]
public sealed class SensitivityTests
{
    [TestMethod]
    public void Losses_and_noise_are_those_of_the_formulas()
    {
        using var scope = torch.NewDisposeScope();
        using var exact = AnalyticNetworks.Product(0.9f, 1.2f);
        using var quantized = Quantized(0.9f, 1.2f, scale: 0.5f);
        var report = Sensitivity.Measure(
            exact, quantized, AnalyticNetworks.Rows(new float[,] { { 1 }, { 1 }, { 1 } }, batchSize: 2), null, default);

        // On a grid of steps of 1/2, 0.9 and 1.2 are 1.
        Assert.AreEqual(Loss(0.9 * 1.2), report.FullPrecisionLoss, 1e-6);
        Assert.AreEqual(Loss(1), report.QuantizedLoss, 1e-6);
        var (a, b) = (report.Layers.Single(layer => layer.Layer == "hidden"),
            report.Layers.Single(layer => layer.Layer == "y"));
        Assert.AreEqual(20 * Math.Log10(0.9 / 0.1), a.SignalToNoise, 1e-3);
        Assert.AreEqual(20 * Math.Log10(1.2 / 0.2), b.SignalToNoise, 1e-3);
        Assert.AreEqual(Loss(1.2), a.LossAlone, 1e-6);
        Assert.AreEqual(Loss(0.9), b.LossAlone, 1e-6);
        Assert.AreEqual(Loss(0.9), a.LossWithout, 1e-6);
        Assert.AreEqual(Loss(1.2), b.LossWithout, 1e-6);
        Assert.AreEqual("y", report.Layers[0].Layer);
        Assert.AreEqual((1L, 4, (int?)null), (a.Weights, a.WeightBits, a.ActivationBits));

        static double Loss(double product) => Math.Log(1 + Math.Exp(-2 * product));
    }

    [TestMethod]
    public void Differences_of_losses_have_the_standard_errors_of_the_formula()
    {
        using var scope = torch.NewDisposeScope();
        using var exact = AnalyticNetworks.Product(0.9f, 1.2f);
        using var quantized = Quantized(0.9f, 1.2f, scale: 0.5f);
        double[] images = [0.5, 1, 2];
        var report = Sensitivity.Measure(
            exact, quantized, AnalyticNetworks.Rows(new float[,] { { 0.5f }, { 1 }, { 2 } }, batchSize: 2), null, default);

        Assert.AreEqual(3, report.Images);
        var layer = report.Layers.Single(layer => layer.Layer == "hidden");
        Assert.AreEqual(Error(1.2, 0.9 * 1.2), layer.LossAloneStandardError, 1e-6);
        Assert.AreEqual(Error(1, 0.9), layer.LossWithoutStandardError, 1e-6);
        // The images differ by much more than the differences between the networks do.
        Assert.IsGreaterThan(5 * layer.LossAloneStandardError, Error(1.2, 0));

        var single = Sensitivity.Measure(exact, quantized, AnalyticNetworks.Rows(new float[,] { { 1 } }), null, default);
        Assert.AreEqual(1, single.Images);
        Assert.AreEqual(double.NaN, single.Layers[0].LossAloneStandardError);

        double Error(double first, double second)
        {
            var differences = images.Select(image => Loss(image * first) - Loss(image * second)).ToList();
            var mean = differences.Average();
            return Math.Sqrt(differences.Sum(difference => (difference - mean) * (difference - mean)) / 2 / 3);
        }

        static double Loss(double product) => Math.Log(1 + Math.Exp(-2 * product));
    }

    [TestMethod]
    public void Pixels_without_a_label_and_images_without_any_do_not_count()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Build(
            builder => builder.Node("Identity", "y", [builder.Convolve("only", "x", 2, 3)]));
        var images = SmallNetworks.Random(1, 4, 2, 8, 8);
        using var quantized = NetworkQuantizer.Quantize(
            network, images, SmallNetworks.Nearest with { WeightBits = 3, ActivationBits = 3 }, seed: 1);
        var size = network.Forward(images).shape[2..];
        var labels = torch.arange(4 * size[0] * size[1]).remainder(3).reshape(4, size[0], size[1]);
        labels[1] = torch.full_like(labels[1], Evaluation.Ignored);
        labels[2, 0] = torch.full_like(labels[2, 0], Evaluation.Ignored);
        var all = Sensitivity.Measure(network, quantized, new Evaluation(images, labels, 3), null, default);
        var three = torch.tensor(new long[] { 0, 2, 3 });
        var some = Sensitivity.Measure(
            network, quantized, new Evaluation(images[three], labels[three], 1), null, default);
        Assert.AreEqual((3, 3), (all.Images, some.Images));
        Assert.AreEqual(some.Layers[0].LossAlone, all.Layers[0].LossAlone, 1e-6);
        Assert.AreEqual(some.Layers[0].LossAloneStandardError, all.Layers[0].LossAloneStandardError, 1e-6);
        Assert.IsGreaterThan(0, all.Layers[0].LossAloneStandardError);
    }

    [TestMethod]
    [DataRow(QuantizerPlacement.Paper)]
    [DataRow(QuantizerPlacement.Integer)]
    public void With_nothing_quantized_the_network_is_the_one_in_full_precision(QuantizerPlacement placement)
    {
        using var scope = torch.NewDisposeScope();
        // A clip whose upper bound quantizing leaves to the quantizer behind it.
        using var network = SmallNetworks.Build(builder =>
        {
            builder.Node("Clip", "clip",
                [builder.Convolve("first", "x", 2, 4),
                    builder.Parameter("least", torch.tensor(0f), ParameterRole.Constant),
                    builder.Parameter("most", torch.tensor(0.4f), ParameterRole.Constant)]);
            builder.Node("GlobalAveragePool", "pool", [builder.Convolve("second", "clip", 4, 3)]);
            builder.Node("Flatten", "y", ["pool"]);
        });
        var images = SmallNetworks.Random(1, 6, 2, 8, 8);
        var evaluation = new Evaluation(images, torch.arange(6).remainder(3), 4);
        using var quantized = NetworkQuantizer.Quantize(
            network, images, SmallNetworks.Nearest with { WeightBits = 3, ActivationBits = 3, Placement = placement },
            seed: 1);
        var report = Sensitivity.Measure(network, quantized, evaluation, null, default);
        Assert.AreEqual(evaluation.Measure(network, null, null, default).Loss, report.FullPrecisionLoss, 1e-6);
        Assert.AreEqual(evaluation.Measure(quantized, null, null, default).Loss, report.QuantizedLoss, 1e-6);
        Assert.HasCount(2, report.Layers);
        Assert.IsTrue(report.Layers.All(layer => layer.SignalToNoise is > 5 and < 80));
    }

    [TestMethod]
    public void The_worst_layers_become_exceptions_to_paste()
    {
        using var scope = torch.NewDisposeScope();
        using var exact = AnalyticNetworks.Product(0.9f, 1.2f);
        using var quantized = Quantized(0.9f, 1.2f, scale: 0.5f);
        var report = Sensitivity.Measure(exact, quantized, AnalyticNetworks.Rows(new float[,] { { 1 } }), null, default);
        var exception = report.Overrides(1).Single();
        Assert.IsTrue(exception.Matches("y") && !exception.Matches("yy"));
        Assert.AreEqual((8, 8), (exception.WeightBits, exception.ActivationBits));
        Assert.AreEqual(
            "Overrides =\n[\n    new(@\"^y$\") { WeightBits = 6, ActivationBits = 6 },\n"
                + "    new(@\"^hidden$\") { WeightBits = 6, ActivationBits = 6 },\n],\n", report.OverridesCode(5, 6));
        Assert.IsEmpty(report.Overrides(0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => report.Overrides(-1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => report.Overrides(1, 9));
        Assert.AreEqual(@"new(@""a""""b"") { Skip = true }", new LayerOverride("a\"b") { Skip = true }.ToString());
    }

    [TestMethod]
    public void Nothing_is_left_in_memory_and_a_network_that_is_not_quantized_is_refused()
    {
        using var exact = AnalyticNetworks.Product(0.9f, 1.2f);
        using var quantized = Quantized(0.9f, 1.2f, scale: 0.5f);
        using var images = torch.ones(3, 1);
        using var labels = torch.zeros(3, torch.int64);
        var evaluation = new Evaluation(images, labels, 2);
        LiveTensors.AssertUnchanged(() => Sensitivity.Measure(exact, quantized, evaluation, null, default));
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<ArgumentException>(
                () => Sensitivity.Measure(exact, exact, evaluation, null, default)));
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<OperationCanceledException>(
                () => Sensitivity.Measure(exact, quantized, evaluation, null, new CancellationToken(true))));
    }

    private static Network Quantized(float a, float b, float scale)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 1);
        Weight(builder, "a", torch.tensor(new float[,] { { a } }), scale);
        builder.Node("Gemm", "hidden", ["x", "aq"], ("transB", 1L));
        Weight(builder, "b", torch.tensor(new float[,] { { b }, { -b } }), scale);
        builder.Node("Gemm", "y", ["hidden", "bq"], ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }

    private static void Weight(NetworkBuilder builder, string name, torch.Tensor value, float scale) =>
        builder.Node(new GraphNode($"{name}q",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(4, true))),
            [builder.Parameter(name, value), builder.Parameter($"{name}.scale", torch.tensor(scale))], [$"{name}q"]));
}
