using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>A file with several outputs, of which one is read.</summary>
[TestClass]
public sealed class OutputChoiceTests
{
    private static byte[] File()
    {
        var model = ModelOf(
            13, [-1, 3], Floats("w", [3, 2], 1, 2, 3, 4, 5, 6), Floats("v", [3, 1], 1, 1, 1),
            Node("MatMul", "x w", "y"), Node("MatMul", "x v", "z"));
        model.Graph.Output.Add(Value("z", -1, 1));
        return Google.Protobuf.MessageExtensions.ToByteArray(model);
    }

    [TestMethod]
    public void What_only_others_need_is_left_out()
    {
        using var all = Load(null);
        Assert.HasCount(2, all.Graph.Outputs);
        LiveTensors.AssertUnchanged(() =>
        {
            using var one = Load("z");
            Assert.AreEqual("z", one.Graph.Outputs.Single().Name);
            Assert.HasCount(1, one.Graph.Nodes);
            CollectionAssert.AreEqual(new[] { "v" }, one.Parameters.Keys.ToArray());
            using var x = torch.tensor(new float[] { 1, 2, 3 }, 1, 3);
            using var z = one.Forward(x);
            Assert.AreEqual(6, z.item<float>());
        });
    }

    [TestMethod]
    public void A_name_that_is_not_there_is_refused()
    {
        LiveTensors.AssertUnchanged(() => Assert.AreEqual(
            "There is no output 'Z'; the outputs are 'y', 'z'.",
            Assert.ThrowsExactly<InvalidDataException>(() => Load("Z")).Message));
    }

    private static Network Load(string? output) =>
        Network.LoadOnnx(new MemoryStream(File()), null, new OnnxLoadOptions { Output = output });
}
