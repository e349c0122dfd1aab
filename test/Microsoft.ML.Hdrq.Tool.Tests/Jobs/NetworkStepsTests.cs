using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class NetworkStepsTests
{
    [TestMethod]
    public void A_normalization_that_a_file_begins_with_is_not_put_before_it_again()
    {
        using var folder = new TemporaryDirectory();
        var exported = TestNetworks.WriteClassifier(folder.Combine("exported.onnx"));
        var context = new MLContext(seed: 1);
        var steps = new NetworkSteps(context, new PixelPipeline(context, 16, 16), seed: 1);
        var imageNet = ChannelNormalization.ImageNet();
        using var source = Network.LoadOnnx(exported);
        using var once = steps.Read(exported, imageNet);
        once.SaveOnnx(folder.Combine("once.onnx"));
        using var again = steps.Read(folder.Combine("once.onnx"), imageNet);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => steps.Read(folder.Combine("once.onnx"), new([1, 2, 3], imageNet.StandardDeviation))).Message,
            "the network normalizes its input itself");
        using var none = steps.Read(folder.Combine("once.onnx"), null);

        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        var pixels = torch.rand(2, 3, 16, 16) * 255;
        // Mean and deviation of ImageNet, as torchvision has them.
        float[] mean = [0.485f * 255, 0.456f * 255, 0.406f * 255];
        foreach (var network in new[] { once, again, none })
            AssertEqual(source.Forward(Normalized(pixels, mean)), network.Forward(pixels));
        Assert.IsNull(again.Graph.FirstDifference(once.Graph));
    }

    private static torch.Tensor Normalized(torch.Tensor pixels, float[] mean) =>
        (pixels - ByChannel(mean)) / ByChannel([0.229f * 255, 0.224f * 255, 0.225f * 255]);

    private static torch.Tensor ByChannel(float[] values) => torch.tensor(values).reshape(1, 3, 1, 1);

    private static void AssertEqual(torch.Tensor expected, torch.Tensor actual) =>
        Assert.IsTrue(torch.allclose(expected, actual, rtol: 1e-4, atol: 1e-4), $"{expected.cstr()}\n{actual.cstr()}");
}
