using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>Traces and eigenvalues of Hessians that are known.</summary>
[TestClass]
public sealed class CurvatureTests
{
    private static readonly AnalysisOptions _quadratic =
        new() { Loss = CurvatureLoss.Reconstruction, PowerIterations = 200, Tolerance = 1e-7 };

    [TestMethod]
    public void A_quadratic_with_a_diagonal_Hessian_is_found_exactly()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Linear(SmallNetworks.Random(1, 2, 3));
        // The squared error of W x has, for each of the two scores, the Hessian 2 E[x x^T] = diag(2/3, 8/3, 18/3).
        var report = Curvature.Measure(
            network, AnalyticNetworks.Rows(new float[,] { { 1, 0, 0 }, { 0, 2, 0 }, { 0, 0, 3 } }, batchSize: 2),
            _quadratic, 1, null, default);
        Assert.AreEqual(2 * (2 + 8 + 18) / 3.0, report.Whole.Trace, 1e-4);
        // Random signs square to 1, so that a diagonal leaves nothing to chance.
        Assert.AreEqual(0, report.Whole.TraceStandardError, 1e-5);
        Assert.AreEqual(6, report.Whole.LargestEigenvalue!.Value, 1e-4);
        Assert.AreEqual(6, report.Whole.Weights);
    }

    [TestMethod]
    public void A_quadratic_with_any_Hessian_is_found_within_its_error()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Linear(SmallNetworks.Random(1, 2, 3));
        var rows = new float[,] { { 1, 2, 0 }, { 0, 1, -1 }, { 2, 0.5f, 1 }, { -1, 0, 1 } };
        var report = Curvature.Measure(
            network, AnalyticNetworks.Rows(rows), _quadratic with { Probes = 400 }, 1, null, default);
        // E[x x^T] by hand, times 4: [[6, 3, 1], [3, 5.25, -0.5], [1, -0.5, 3]].
        double[,] hessian = { { 3, 1.5, 0.5 }, { 1.5, 2.625, -0.25 }, { 0.5, -0.25, 1.5 } };
        Assert.AreEqual(2 * (3 + 2.625 + 1.5), report.Whole.Trace, 4 * report.Whole.TraceStandardError);
        // The variance of v^T H v with random signs is 2 sum over i != j of H_ij^2, here for two scores.
        var deviation = Math.Sqrt(2 * 2 * 2 * (1.5 * 1.5 + 0.5 * 0.5 + 0.25 * 0.25) / 400);
        Assert.AreEqual(deviation, report.Whole.TraceStandardError, 0.15 * deviation);
        // The characteristic polynomial is 0 at the eigenvalue, and it is larger than the mean of all.
        var largest = report.Whole.LargestEigenvalue!.Value;
        Assert.AreEqual(0, Determinant(hessian, largest), 2e-3);
        Assert.IsGreaterThan(4, largest);
    }

    [TestMethod]
    public void Cross_entropy_of_a_linear_classifier_has_the_Hessian_of_the_textbook()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Linear(torch.zeros(4, 2));
        // At zero weights all classes have probability p = 1/4: the Hessian is (p 1 - p^2 11^T) x E[x x^T], here with
        // E[x x^T] = diag(2, 1/2).
        var report = Curvature.Measure(network, AnalyticNetworks.Rows(new float[,] { { 2, 0 }, { 0, 1 } }, batchSize: 1),
            new AnalysisOptions { Probes = 2000, PowerIterations = 100, Tolerance = 1e-7 }, 1, null, default);
        Assert.AreEqual(0.75 * 2.5, report.Whole.Trace, 4 * report.Whole.TraceStandardError);
        Assert.AreEqual(0.25 * 2, report.Whole.LargestEigenvalue!.Value, 1e-4);
        Assert.IsLessThan(0.03, report.Whole.TraceStandardError);
    }

    [TestMethod]
    public void The_largest_eigenvalue_is_found_where_all_are_negative()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Concave(1, 2);
        // Two images, each seeing one weight: the Hessian is the diagonal of the second derivatives of log(1 + exp(tanh
        // w)), halved.
        var report = Curvature.Measure(
            network, AnalyticNetworks.Rows(new float[,] { { 1, 0 }, { 0, 1 } }),
            new AnalysisOptions { PowerIterations = 100, Tolerance = 1e-7 }, 1, null, default);
        Assert.AreEqual(Math.Max(Second(1), Second(2)), report.Whole.LargestEigenvalue!.Value, 1e-4);
        Assert.AreEqual(Second(1) + Second(2), report.Whole.Trace, 1e-5);
        Assert.IsLessThan(0, report.Whole.LargestEigenvalue!.Value);

        static double Second(double w)
        {
            var (t, s) = (Math.Tanh(w), 1 / (1 + Math.Exp(-Math.Tanh(w))));
            return (s * (1 - s) * (1 - t * t) * (1 - t * t) - s * 2 * t * (1 - t * t)) / 2;
        }
    }

    [TestMethod]
    public void Blocks_have_the_curvature_of_their_own_weights()
    {
        using var scope = torch.NewDisposeScope();
        using var network = AnalyticNetworks.Product(2, 3);
        // Scores (a b_1 x, a b_2 x), b = (3, -3), x = 1: 2 J^T J is 2 (9 + 9) in a, and 2 a^2 in each of b.
        var report = Curvature.Measure(
            network, AnalyticNetworks.Rows(new float[,] { { 1 } }),
            _quadratic with { Probes = 3000, BlockEigenvalues = true }, 1, null, default);
        CollectionAssert.AreEqual(new[] { "hidden", "y" }, report.Blocks.Select(block => block.Name).ToList());
        Assert.AreEqual(36, report.Blocks[0].Trace, 4 * report.Blocks[0].TraceStandardError + 1e-3);
        Assert.AreEqual(16, report.Blocks[1].Trace, 4 * report.Blocks[1].TraceStandardError + 1e-3);
        Assert.AreEqual(36, report.Blocks[0].LargestEigenvalue!.Value, 1e-3);
        Assert.AreEqual(8, report.Blocks[1].LargestEigenvalue!.Value, 1e-3);
        Assert.AreEqual(52, report.Whole.Trace, 4 * report.Whole.TraceStandardError + 1e-3);
        // J's rows are (3, 2, 0) and (-3, 0, 2): J J^T = [[13, -9], [-9, 13]], with the eigenvalues 22 and 4.
        Assert.AreEqual(44, report.Whole.LargestEigenvalue!.Value, 1e-3);
    }

    [TestMethod]
    public void Quantized_weights_are_on_their_grid_and_quantized_activations_are_straight_through()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        Quantizer(builder, "x", 0.5f, "xq");
        Quantizer(builder, builder.Parameter("a", torch.tensor(new float[,] { { 1.9f, 0 } })), 1, "aq");
        builder.Node("Gemm", "hidden", ["xq", "aq"], ("transB", 1L));
        Quantizer(builder, "hidden", 0.5f, "hiddenq");
        Quantizer(builder, builder.Parameter("b", torch.tensor(new float[,] { { 2.2f } })), 1, "bq");
        builder.Node("Gemm", "y", ["hiddenq", "bq"], ("transB", 1L));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 1]));
        // a is 2 on its grid and b is 2; x = 1.6 is 1.5, and the hidden value 3. The scores' derivatives are b x = 3 in
        // a and 3 in b. In the second image x is 3 and the hidden value 6, which is clipped to 3.5: only b counts.
        var report = Curvature.Measure(
            network, AnalyticNetworks.Rows(new float[,] { { 1.6f, 0 }, { 3.2f, 0 } }),
            _quadratic with { BlockEigenvalues = true }, 1, null, default);
        Assert.AreEqual(2 * (9 + 0) / 2.0, report.Blocks[0].LargestEigenvalue!.Value, 1e-4);
        Assert.AreEqual(2 * (9 + 12.25) / 2.0, report.Blocks[1].LargestEigenvalue!.Value, 1e-4);

        static void Quantizer(NetworkBuilder builder, string value, float scale, string output) =>
            builder.Node(new GraphNode(output,
                Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(4, true))),
                [value, builder.Parameter($"{value}.scale", torch.tensor(scale))], [output]));
    }

    [TestMethod]
    public void Differences_of_gradients_agree_with_second_derivatives()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Smooth(builder => builder.Node("Tanh", "middle", [builder.Convolve("conv", "x", 2, 3)]));
        var evaluation = new Evaluation(SmallNetworks.Random(5, 6, 2, 8, 8), torch.arange(6).remainder(3), 4);
        using var exact = new LossSurface(network, evaluation, CurvatureLoss.CrossEntropy);
        using var differences = new LossSurface(
            network, evaluation, CurvatureLoss.CrossEntropy, mayDifferentiateTwice: false);
        var settings = new AnalysisOptions { Probes = 3, PowerIterations = 30 };
        var (expected, actual) = (Curvature.Measure(exact, settings, 1, null, default),
            Curvature.Measure(differences, settings, 1, null, default));
        Assert.AreEqual(expected.Whole.Trace, actual.Whole.Trace, 0.02 * Math.Abs(expected.Whole.Trace));
        Assert.AreEqual(expected.Whole.LargestEigenvalue!.Value, actual.Whole.LargestEigenvalue!.Value,
            0.02 * expected.Whole.LargestEigenvalue!.Value);
        // Moving the weights there and back leaves them as they were.
        foreach (var (weight, other) in exact.Weights.Zip(differences.Weights))
            Assert.AreEqual(0, weight.sub(other).abs().max().item<float>());
    }

    // Differences of gradients also see the kinks between two points, of which second derivatives know nothing: where
    // there are some, the two differ.
    [TestMethod]
    [DataRow("Relu", true)]
    [DataRow("LeakyRelu", true)]
    [DataRow("HardSigmoid", true)]
    [DataRow("HardSwish", true)]
    [DataRow("MaxPool", true)]
    [DataRow("GlobalMaxPool", true)]
    [DataRow("Sigmoid", false)]
    [DataRow("Gelu", false)]
    [DataRow("Erf", false)]
    [DataRow("Exp", false)]
    [DataRow("Softmax", false)]
    [DataRow("LogSoftmax", false)]
    [DataRow("InstanceNormalization", false)]
    [DataRow("LayerNormalization", false)]
    [DataRow("AveragePool", false)]
    [DataRow("Resize", false)]
    [DataRow("ConvTranspose", false)]
    public void Operators_are_differentiated_twice(string type, bool hasKinks)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Smooth(builder =>
        {
            var x = builder.Convolve("conv", "x", 2, 3);
            string[] inputs = type switch
            {
                "InstanceNormalization" or "LayerNormalization" =>
                    [x, builder.Parameter("scale", SmallNetworks.Random(2, type[0] == 'I' ? 3 : 8)),
                    builder.Parameter("shift", SmallNetworks.Random(3, type[0] == 'I' ? 3 : 8))],
                "Resize" => [x, "", builder.Parameter(
                    "scales", torch.tensor(new float[] { 1, 1, 2, 2 }), ParameterRole.Constant)],
                "ConvTranspose" => [x, builder.Parameter("kernel", SmallNetworks.Random(2, 3, 3, 2, 2))],
                _ => [x],
            };
            (string, object)[] attributes = type is "MaxPool" or "AveragePool" ? [("kernel_shape", new long[] { 2, 2 })]
                : type == "Resize" ? [("mode", "linear")] : [];
            return builder.Node(type, "middle", inputs, attributes);
        });
        var evaluation = new Evaluation(SmallNetworks.Random(5, 6, 2, 8, 8), torch.arange(6).remainder(3), 4);
        using var exact = new LossSurface(network, evaluation, CurvatureLoss.CrossEntropy);
        using var differences = new LossSurface(
            network, evaluation, CurvatureLoss.CrossEntropy, mayDifferentiateTwice: false);
        var settings = new AnalysisOptions { Probes = 3, PowerIterations = 0 };
        var (actual, expected) = (Curvature.Measure(exact, settings, 1, null, default).Whole.Trace,
            Curvature.Measure(differences, settings, 1, null, default).Whole.Trace);
        Assert.IsTrue(double.IsFinite(actual) && actual != 0);
        if (!hasKinks)
            Assert.AreEqual(expected, actual, 0.1 * Math.Abs(expected));
        if (type == "HardSwish")
        {
            // Put together of operators of which no derivative is a formula of its own.
            using var composed = Smooth(builder => Middle(builder, builder.Convolve("conv", "x", 2, 3)));
            using var reference = new LossSurface(composed, evaluation, CurvatureLoss.CrossEntropy);
            Assert.AreEqual(Curvature.Measure(reference, settings, 1, null, default).Whole.Trace, actual,
                1e-3 * Math.Abs(actual));
        }

        // A graph in which the gate is no single operator, and does not become one.
        static string Middle(NetworkBuilder builder, string x)
        {
            var risen = builder.Node("Relu", "risen", [builder.Node("Add", "more", [x, Number(builder, "three", 3)])]);
            var beyond = builder.Node("Relu", "beyond", [builder.Node("Sub", "less", [x, Number(builder, "limit", 3)])]);
            return builder.Node("Mul", "middle",
                [x, builder.Node("Div", "gate",
                    [builder.Node("Sub", "clipped", [risen, beyond]), Number(builder, "six", 6)])]);
        }

        static string Number(NetworkBuilder builder, string name, float number) =>
            builder.Parameter(name, torch.tensor(number), ParameterRole.Constant);
    }

    [TestMethod]
    public void The_same_seed_gives_the_same_and_nothing_is_left_in_memory()
    {
        using var network = SmallNetworks.Residual();
        using var images = SmallNetworks.Random(1, 5, 3, 8, 8);
        using var labels = torch.arange(5);
        var evaluation = new Evaluation(images, labels, 2);
        var settings = new AnalysisOptions { Probes = 2, PowerIterations = 3, BlockEigenvalues = true };
        CurvatureReport? first = null;
        LiveTensors.AssertUnchanged(() => first = Curvature.Measure(network, evaluation, settings, 7, null, default));
        Assert.AreEqual(first!.ToString(), Curvature.Measure(network, evaluation, settings, 7, null, default).ToString());
        Assert.AreNotEqual(first.Whole.Trace,
            Curvature.Measure(network, evaluation, settings, 8, null, default).Whole.Trace);
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<OperationCanceledException>(
                () => Curvature.Measure(network, evaluation, settings, 7, null, new CancellationToken(true))));
    }

    private static Network Smooth(Func<NetworkBuilder, string> middle)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 8, 8);
        builder.Node("GlobalAveragePool", "pool", [middle(builder)]);
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", "y", ["flat", builder.Parameter("linear.weight", SmallNetworks.Random(9, 3, 3))],
            ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 3]));
    }

    private static double Determinant(double[,] matrix, double eigenvalue)
    {
        var (a, b, c) = (matrix[0, 0] - eigenvalue, matrix[1, 1] - eigenvalue, matrix[2, 2] - eigenvalue);
        var (x, y, z) = (matrix[0, 1], matrix[0, 2], matrix[1, 2]);
        return a * b * c + 2 * x * y * z - a * z * z - b * y * y - c * x * x;
    }
}
