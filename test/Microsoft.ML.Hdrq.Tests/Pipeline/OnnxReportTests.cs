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
        Assert.AreEqual("8:8 4:4 4:4 4:4 4:4 4:4 4:4 8:8", string.Join(' ', report.Layers.Select(layer => $"{layer.WeightBits}:{layer.InputBits}")));
        Assert.AreEqual(7, report.IntegerOperators["QLinearConv"]);
        Assert.AreEqual(3, report.IntegerOperators["QLinearAdd"]);
        Assert.AreEqual(1, report.IntegerOperators["QGemm"]);
        // The padding of shortcuts is all that is done on numbers.
        CollectionAssert.IsSubsetOf(report.FloatOperators.Keys.ToList(), new[] { "Pad", "Slice" });
        StringAssert.Contains(report.ToString(), "8 of 8 layers are integer kernels", StringComparison.Ordinal);
        Assert.IsLessThan(0.5, (double)report.FileSize / report.FullPrecisionSize);
    }

    [TestMethod]
    public void The_papers_places_and_why_they_leave_layers_in_floating_point()
    {
        var report = Report(QuantizerPlacement.Paper);
        var reasons = report.Layers.ToDictionary(layer => layer.Name, layer => layer.Reason);
        Assert.AreEqual("Its input is not quantized.", reasons["conv1"]);
        Assert.AreEqual("Its output is not quantized.", reasons["layer1.0.conv2"]);
        StringAssert.Contains(report.ToString(), "layer1.0.conv2 (Conv): Its output is not quantized.", StringComparison.Ordinal);
    }

    [TestMethod]
    public void A_network_in_full_precision()
    {
        using var network = SmallNetworks.Residual();
        var report = OnnxReport.Of(network);
        Assert.IsTrue(report.Layers.All(layer => layer is { IsInteger: false, WeightBits: null, Reason: "Its weight is not quantized." }));
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
        StringAssert.Matches(report.Summary, new(@"^[\d,]+ bytes, [\d.]+.?% of full precision; 8 of 8 layers are integer kernels \(2 W8A8, 6 W4A4\); \d+ of \d+ operators compute on integers, \d+ conversions$"));

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
        return NetworkQuantizer.Quantize(network, SmallNetworks.Random(1, 4, 3, 32, 32), SmallNetworks.Nearest with { WeightBits = 4, ActivationBits = 4, Placement = placement }, seed: 1);
    }
}
