using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Architectures;

[TestClass]
public sealed class MobileNetV2Tests
{
    [TestMethod]
    public void It_has_torchvisions_weights_and_names()
    {
        using var network = MobileNetV2.Create(1000, seed: 1);
        // torchvision's number of parameters for 1,000 classes.
        Assert.AreEqual(3_504_872L,
            network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
            .Sum(parameter => TensorShape.ElementCount(parameter.Shape)!.Value));
        string[] some =
        [
            "features.0.0.weight", "features.0.1.running_mean", "features.1.conv.0.0.weight",
            "features.1.conv.1.weight", "features.1.conv.2.bias", "features.2.conv.0.0.weight",
            "features.2.conv.1.1.weight", "features.17.conv.2.weight", "features.17.conv.3.running_var",
            "features.18.0.weight", "classifier.1.weight", "classifier.1.bias",
        ];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
        CollectionAssert.AreEqual(new long[] { 96, 1, 3, 3 }, network.Parameters["features.2.conv.1.0.weight"].shape);
    }

    [TestMethod]
    public void It_halves_the_image_five_times_and_gives_scores()
    {
        using var scope = torch.NewDisposeScope();
        using var network = MobileNetV2.Create(7, seed: 1, inputSize: 64);
        CollectionAssert.AreEqual(new long[] { 2, 7 }, network.Forward(torch.rand(2, 3, 64, 64)).shape);
        Assert.HasCount(5, network.Graph.Nodes.Where(
            node => node.Operator.Type == "Conv" && node.Operator.Attributes.Integers("strides", [1])[0] == 2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MobileNetV2.Create(7, seed: 1, inputSize: 31));
    }
}
