using System.Reflection;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>The ResNet-18 that ML.NET has as a package: opset 8, one row, images of 224 x 224 pixels, no classes.</summary>
[TestClass]
public sealed class PretrainedNetworkTests
{
    private static readonly string _path = typeof(PretrainedNetworkTests).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(entry => entry.Key == "PretrainedNetwork").Value!;

    [TestMethod]
    public void It_gets_a_head_and_takes_several_images_of_any_size()
    {
        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        using var network = Network.LoadOnnx(_path);
        using var headed = network.WithClassifier(["cat", "dog", "horse"], seed: 1);
        var images = torch.randn([2, 3, 224, 224], generator: new torch.Generator(1)) * 60;
        var features = torch.stack([Features(images[0]), Features(images[1])]);
        var expected = features.matmul(headed.Parameters["head.weight"].t()) + headed.Parameters["head.bias"];
        Assert.IsLessThan(
            1e-4f * features.abs().max().item<float>(),
            (network.Forward(images).flatten(1) - features).abs().max().item<float>());
        Assert.IsLessThan(
            1e-4f * expected.abs().max().item<float>(), (headed.Forward(images) - expected).abs().max().item<float>());
        // Its padding on one side fits sizes that can be halved five times.
        CollectionAssert.AreEqual(new long[] { 3, 3 }, headed.Forward(torch.randn(3, 3, 96, 64)).shape);
        using var segmenter = network.WithSegmenter(["road", "sky"], seed: 1);
        CollectionAssert.AreEqual(new long[] { 1, 2, 96, 64 }, segmenter.Forward(torch.randn(1, 3, 96, 64)).shape);
    }

    /// <summary>What ONNX Runtime computes of one image from the file.</summary>
    private static torch.Tensor Features(torch.Tensor image)
    {
        using var session = new InferenceSession(_path);
        var input = new DenseTensor<float>(image.contiguous().data<float>().ToArray(), [1, 3, 224, 224]);
        using var outputs = session.Run(
            [NamedOnnxValue.CreateFromTensor(session.InputMetadata.Keys.Single(), input)]);
        return torch.tensor(outputs[0].AsTensor<float>().ToArray());
    }
}
