using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Linear layers with integer weights and inputs that are not rounded.</summary>
[TestClass]
public sealed class WeightOnlyProductsTests
{
    [TestMethod]
    [DataRow("vit", 4, 8)]
    [DataRow("vit", 4, 4)]
    [DataRow("vit", 3, 8)]
    [DataRow("vit", 8, 8)]
    [DataRow("segformer", 4, 8)]
    [DataRow("segformer", 8, 8)]
    public void ONNX_Runtime_has_a_kernel_for_each_linear_layer(string kind, int weightBits, int activationBits)
    {
        using var scope = torch.NewDisposeScope();
        using var original = Create(kind);
        using var network = Quantize(original, weightBits, activationBits);
        var images = Images(kind);
        var file = Save(network, new() { WeightOnlyProducts = true });
        using var optimized = new OptimizedModel(file);
        var products = original.Graph.Nodes.Count(
            node => node.Operator.Type == "MatMul" && original.Graph.Flow.IsWeighted(node));
        Assert.AreEqual(products, optimized.Count("MatMulNBits"));
        // Layers that are no products keep their integer kernels.
        var convolutions = original.Graph.Nodes.Count(node => node.Operator.Type == "Conv");
        Assert.AreEqual(convolutions, optimized.Count("QLinearConv"));
        Assert.AreEqual(kind == "vit" ? 1 : 0, optimized.Count("QGemm"));

        // What is rounded: weights, and what the other layers read. The runtime rounds inputs of its kernels too, in
        // blocks; what it rounds to the other side in convolutions is more.
        using var again = Load(file);
        var (exact, simulated, run) = (original.Forward(images), again.Forward(images), optimized.Run(images));
        var reference = simulated.reshape(-1);
        Assert.IsLessThan(kind == "vit" ? 0.02 : 0.06,
            reference.sub(torch.tensor(run)).norm().item<float>() / reference.norm().item<float>());
        Assert.IsLessThan(
            1.05 * exact.sub(network.Forward(images)).norm().item<float>(),
            exact.sub(simulated).norm().item<float>());
    }

    [TestMethod]
    public void Products_are_those_of_the_rounded_weights()
    {
        using var scope = torch.NewDisposeScope();
        using var original = Create("vit");
        using var network = Quantize(original, 4, 8);
        using var file = Load(Save(network, new() { WeightOnlyProducts = true }));
        // By hand: the original with weights on the grids of the quantized network, and without integer layers.
        using var expected = original.Clone();
        using (torch.no_grad())
        {
            foreach (var layer in network.Graph.Layers.All.Where(layer => layer.WeightQuantizer is not null))
                expected.Parameters[layer.Weight].copy_(layer.Value(network));
        }
        var images = Images("vit");
        var tokens = Values(file, images, "vit.layernorm");
        // Only the patches' convolution has inputs and outputs that are rounded.
        var patches = Values(file, images, "vit.embeddings.patch_embeddings.projection.quantized");
        var other = Values(network, images, "vit.embeddings.patch_embeddings.projection.quantized");
        Assert.IsTrue(patches.allclose(other, rtol: 0, atol: 0));
        var whole = Values(expected, images, "vit.layernorm");
        Assert.IsLessThan(0.02, tokens.sub(whole).norm().item<float>() / whole.norm().item<float>());
        Assert.AreEqual(2, file.Graph.Nodes.Count(
            node => node.Name.EndsWith("projection.quantized", StringComparison.Ordinal)
            || node.Name.EndsWith("input.quantized", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Weights_take_half_a_byte_each()
    {
        using var original = VisionTransformer.Create(2, 256, 4, 7, seed: 1, inputSize: 32);
        using var network = Quantize(original, 4, 8);
        var (full, products) = (Save(original, new()), Save(network, new() { WeightOnlyProducts = true }));
        // Of 1.6 million weights of products half a byte, and 4 bytes for each 128 of them; 0.2 million of the patches
        // have a byte.
        Assert.IsLessThan(0.19 * full.Length, products.Length);
        Assert.IsLessThan(1.07 * Save(network, new()).Length, products.Length);
    }

    [TestMethod]
    public void What_has_no_such_layers_and_older_opsets_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var residual = SmallNetworks.Residual();
        using var quantized = NetworkQuantizer.Quantize(
            residual, torch.rand(4, 3, 8, 8), SmallNetworks.Nearest with { WeightBits = 4, ActivationBits = 8 });
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => Save(quantized, new() { WeightOnlyProducts = true })).Message, "this network has none");
        using var original = Create("vit");
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => Save(original, new() { WeightOnlyProducts = true })).Message, "this network has none");
        using var network = Quantize(original, 4, 8);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => Save(network, new() { WeightOnlyProducts = true, Opset = 20 })).Message, "opset 21");
    }

    private static Network Create(string kind)
    {
        var network = kind == "vit" ? VisionTransformer.Create(2, 32, 2, 7, seed: 1, inputSize: 32)
            : SegFormer.Create(0, 5, seed: 1);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(4);
        foreach (var parameter in network.Graph.Parameters.Where(
            parameter => parameter.Role == ParameterRole.Weight
            && (parameter.Shape.Length < 3 || parameter.Name.EndsWith("token", StringComparison.Ordinal))))
            network.Parameters[parameter.Name].add_(torch.randn(parameter.Shape.ToArray(), generator: generator).mul(0.05));
        return network;
    }

    private static torch.Tensor Images(string kind) => kind == "vit"
        ? SmallNetworks.Random(1, 8, 3, 32, 32)
        : SmallNetworks.Random(1, 2, 3, 64, 64);

    private static Network Quantize(Network network, int weightBits, int activationBits)
    {
        using var scope = torch.NewDisposeScope();
        return NetworkQuantizer.Quantize(
            network, network.Graph.Outputs[0].Shape.Length == 2 ? Images("vit") : Images("segformer"),
            SmallNetworks.Nearest with
            {
                WeightBits = weightBits,
                ActivationBits = activationBits,
                PerChannel = true,
                Calibration = SmallNetworks.Nearest.Calibration with { Observer = RangeObserverKind.MinMax },
            }, seed: 1);
    }

    private static torch.Tensor Values(Network network, torch.Tensor images, string name)
    {
        torch.Tensor? found = null;
        network.Run([images], new(ForwardMode.Inference,
            torch.CPU)
        {
            Watch = (value, tensor) => found = value == name ? tensor.clone().MoveToOuterDisposeScope()
                : found
        });
        return found!;
    }

    private static byte[] Save(Network network, OnnxSaveOptions options)
    {
        using var file = new MemoryStream();
        network.SaveOnnx(file, options);
        return file.ToArray();
    }

    private static Network Load(byte[] file)
    {
        using var stream = new MemoryStream(file);
        return Network.LoadOnnx(stream);
    }
}
