using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Onnx;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Architectures;

[TestClass]
public sealed class VisionTransformerTests
{
    [TestMethod]
    // torchvision's vit_b_16, and DeiT-Ti and DeiT-S in table 1 of Touvron et al. (ICML 2021), which are 5 and 22
    // million there.
    [DataRow(12, 768, 12, 86_567_656)]
    [DataRow(12, 192, 3, 5_717_416)]
    [DataRow(12, 384, 6, 22_050_664)]
    public void It_has_as_many_weights_as_the_original(int layers, int channels, int heads, long expected)
    {
        using var network = VisionTransformer.Create(layers, channels, heads, 1000, seed: 1);
        Assert.AreEqual(expected, network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
            .Sum(parameter => TensorShape.ElementCount(parameter.Shape)!.Value));
        string[] some =
        [
            "vit.embeddings.cls_token", "vit.embeddings.position_embeddings",
            "vit.embeddings.patch_embeddings.projection.weight", "vit.encoder.layer.0.attention.attention.query.weight",
            "vit.encoder.layer.11.attention.output.dense.bias", "vit.encoder.layer.3.layernorm_before.weight",
            "vit.encoder.layer.3.intermediate.dense.weight", "vit.layernorm.bias", "classifier.weight",
        ];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
    }

    [TestMethod]
    public void Scores_are_those_of_ONNX_Runtime()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Small();
        using var file = new MemoryStream();
        network.SaveOnnx(file);
        ModelParity.AssertEqualScores(file.ToArray(), network, [2, 3, 32, 32], "vit");
        CollectionAssert.AreEqual(new long[] { 3, 7 }, network.Forward(torch.rand(3, 3, 32, 32)).shape);
    }

    [TestMethod]
    public void What_the_class_token_reads_decides()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Small();
        var images = torch.rand(2, 3, 32, 32, generator: new torch.Generator(3));
        var scores = network.Forward(images);
        // Patches are told apart by their positions.
        Assert.IsFalse(scores.allclose(network.Forward(images.flip(3)), rtol: 0, atol: 1e-4));
        using (torch.no_grad())
            network.Parameters["vit.embeddings.position_embeddings"].zero_();
        // Without positions attention does not know the order of the patches: whole patches change places here.
        var moved = torch.cat([images.narrow(3, 16, 16), images.narrow(3, 0, 16)], 3);
        Assert.IsTrue(network.Forward(images).allclose(network.Forward(moved), rtol: 0, atol: 1e-5));
    }

    [TestMethod]
    public void It_is_quantized_block_by_block()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Small();
        var images = torch.randn([8, 3, 32, 32], generator: new torch.Generator(5));
        using var folded = FoldBatchNormalization.Apply(network);
        var blocks = BlockPartition.Find(folded.Graph).Select(block => block.Name).ToArray();
        CollectionAssert.AreEqual(
            new[]
            {
                "vit.embeddings.patch_embeddings.projection", "vit.encoder.layer.0.attention.attention.query",
                "vit.encoder.layer.1.attention.attention.query", "scores",
            }, blocks);
        using var quantized = NetworkQuantizer.Quantize(
            network, images, SmallNetworks.Nearest with
            {
                WeightBits = 8,
                ActivationBits = 8,
                Placement = QuantizerPlacement.Integer
            }, seed: 1);
        var (scores, exact) = (quantized.Forward(images), network.Forward(images));
        Assert.IsLessThan(0.05, scores.sub(exact).norm().item<float>() / exact.norm().item<float>());
    }

    [TestMethod]
    public void Sizes_are_checked()
    {
        Assert.AreEqual("layers", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => VisionTransformer.Create(0, 8, 2, 5, 1)).ParamName);
        Assert.AreEqual("heads", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => VisionTransformer.Create(1, 8, 0, 5, 1)).ParamName);
        Assert.AreEqual("channels",
            Assert.ThrowsExactly<ArgumentException>(() => VisionTransformer.Create(1, 9, 2, 5, 1)).ParamName);
        Assert.AreEqual("classes", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => VisionTransformer.Create(1, 8, 2, 0, 1)).ParamName);
        Assert.AreEqual("inputSize",
            Assert.ThrowsExactly<ArgumentException>(
                () => VisionTransformer.Create(1, 8, 2, 5, 1, inputSize: 100)).ParamName);
        Assert.AreEqual("inputSize",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => VisionTransformer.Create(1, 8, 2, 5, 1, patchSize: 32, inputSize: 16)).ParamName);
    }

    /// <summary>Two blocks, patches of 16 x 16; tokens and biases that are not near zero, as in a trained network.</summary>
    private static Network Small()
    {
        var network = VisionTransformer.Create(2, 16, 2, 7, seed: 1, inputSize: 32);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(4);
        foreach (var parameter in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight))
        {
            // Tokens are as large as what the patches give: 8 bits would not tell small ones apart beside them.
            var deviation = parameter.Name is "vit.embeddings.cls_token" or "vit.embeddings.position_embeddings" ? 0.5
                : parameter.Shape.Length == 4 ? 0 : 0.1;
            network.Parameters[parameter.Name]
                .add_(torch.randn(parameter.Shape.ToArray(), generator: generator).mul(deviation));
        }
        return network;
    }
}
