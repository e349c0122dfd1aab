using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Architectures;

[TestClass]
public sealed class ResNetTests
{
    // torchvision's numbers of parameters for 1,000 classes.
    [TestMethod]
    [DataRow(18, 11_689_512)]
    [DataRow(34, 21_797_672)]
    [DataRow(50, 25_557_032)]
    [DataRow(101, 44_549_160)]
    public void ImageNet_has_as_many_weights_as_torchvision(int depth, long expected)
    {
        using var network = ResNet.ImageNet(depth, 1000, seed: 1);
        Assert.AreEqual(expected, Weights(network));
    }

    // 9 k^2 c_in c_out and so on by hand; 0.27 M, 0.46 M, 0.66 M and 0.85 M in table 6 of He et al.
    [TestMethod]
    [DataRow(20, 269_722)]
    [DataRow(32, 464_154)]
    [DataRow(44, 658_586)]
    [DataRow(56, 853_018)]
    public void Cifar_has_as_many_weights_as_the_paper(int depth, long expected)
    {
        using var network = ResNet.Cifar(depth, 10, seed: 1);
        Assert.AreEqual(expected, Weights(network));
    }

    [TestMethod]
    public void ImageNet_names_its_parameters_as_torchvision_does()
    {
        using var network = ResNet.ImageNet(50, 10, seed: 1);
        string[] some =
        [
            "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "layer1.0.conv1.weight",
            "layer1.0.bn3.running_var",
            "layer1.0.downsample.0.weight", "layer1.0.downsample.1.bias", "layer4.2.conv3.weight", "fc.weight", "fc.bias",
        ];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
        // 53 convolutions, as many normalizations of 4 tensors, and the linear layer's two.
        Assert.HasCount(53 + 53 * 4 + 2,
            network.Graph.Parameters.Where(parameter => parameter.Role != ParameterRole.Constant));
        Assert.AreEqual(ParameterRole.Statistic,
            network.Graph.Parameters.Single(parameter => parameter.Name == "layer2.0.bn1.running_mean").Role);
    }

    [TestMethod]
    public void Both_kinds_give_scores_for_a_batch()
    {
        using var scope = torch.NewDisposeScope();
        using var small = ResNet.Cifar(8, 7, seed: 1, width: 4, inputSize: 16);
        CollectionAssert.AreEqual(new long[] { 3, 7 }, small.Forward(torch.rand(3, 3, 16, 16)).shape);
        using var large = ResNet.ImageNet(18, 5, seed: 1, inputSize: 64);
        CollectionAssert.AreEqual(new long[] { 2, 5 }, large.Forward(torch.rand(2, 3, 64, 64)).shape);
    }

    [TestMethod]
    public void The_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone()
    {
        using var scope = torch.NewDisposeScope();
        var before = torch.get_rng_state().bytes.ToArray();
        using var a = ResNet.Cifar(8, 10, seed: 5);
        using var b = ResNet.Cifar(8, 10, seed: 5);
        using var c = ResNet.Cifar(8, 10, seed: 6);
        CollectionAssert.AreEqual(before, torch.get_rng_state().bytes.ToArray());
        Assert.IsTrue(a.Graph.Equals(c.Graph));
        foreach (var (name, tensor) in a.Parameters)
            Assert.IsTrue(tensor.equal(b.Parameters[name]).all().item<bool>(), name);
        Assert.IsFalse(a.Parameters["conv1.weight"].allclose(c.Parameters["conv1.weight"]));
    }

    [TestMethod]
    public void Bad_sizes_are_named()
    {
        Assert.AreEqual("depth", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ResNet.Cifar(21, 10, 1)).ParamName);
        Assert.AreEqual("depth", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ResNet.ImageNet(20, 10, 1)).ParamName);
        Assert.AreEqual("classes", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ResNet.ImageNet(18, 0, 1)).ParamName);
        Assert.AreEqual("inputSize",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ResNet.ImageNet(18, 10, 1, 16)).ParamName);
    }

    private static long Weights(Network network) =>
        network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
            .Sum(parameter => network.Parameters[parameter.Name].numel());
}
