using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Networks in half precision, computed in single precision and written as asked, against ONNX Runtime.</summary>
[TestClass]
public sealed class HalfPrecisionTests
{
    private const double Tolerance = 0.01;

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AFileInHalfPrecisionIsComputedInSinglePrecision(bool casts)
    {
        using var scope = torch.NewDisposeScope();
        var model = HalfModel(casts);
        using var network = Load(model);
        Assert.AreEqual(ElementType.Float32, network.Graph.Inputs[0].ElementType);
        Assert.AreEqual(ElementType.Float32, network.Graph.Outputs[0].ElementType);
        Assert.IsEmpty(network.Graph.Parameters.Where(parameter => parameter.ElementType == ElementType.Float16));
        Assert.IsEmpty(network.Graph.Nodes.Where(node => node.Operator.Type == "Cast"));
        var images = torch.randn([5, 2, 6, 6], generator: new torch.Generator(1));
        AssertNear(Run(model, images, casts ? ElementType.Float32 : ElementType.Float16), network.Forward(images));

        using var quantized = NetworkQuantizer.Quantize(
            network, images, new HdrqOptions
            {
                WeightBits = 8,
                ActivationBits = 8,
                Training = new HdrqTraining { Iterations = 2 }
            });
        Assert.IsLessThanOrEqualTo(0.1,
            (quantized.Forward(images).sub(network.Forward(images)).norm() / network.Forward(images).norm())
            .item<float>());
        using var stream = new MemoryStream();
        Assert.ThrowsExactly<NotSupportedException>(
            () => quantized.SaveOnnx(stream, new OnnxSaveOptions { HalfPrecision = true }));
    }

    [TestMethod]
    public void ANetworkIsWrittenInHalfPrecisionWhenAsked()
    {
        using var scope = torch.NewDisposeScope();
        // The scales of a resize are in single precision in any case, and Celu knows no other.
        using var network = Load(ModelOf(
            13, [-1, 2, 6, 6], Random("w", 1, 4, 2, 3, 3), Random("b", 2, 4), Floats("scales", [4], 1, 1, 2, 2),
            Longs("s", 0, -1), Random("v", 3, 256, 5),
            Node("Conv", "x w b", "c"), Node("Celu", "c", "e"), Node("Resize", "e _ scales", "r", ("mode", "nearest")),
            Node("Reshape", "r s", "f"), Node("MatMul", "f v", "y")));
        using var stream = new MemoryStream();
        network.SaveOnnx(stream, new OnnxSaveOptions { HalfPrecision = true });
        var written = stream.ToArray();
        var graph = ModelProto.Parser.ParseFrom(written).Graph;
        Assert.AreEqual((int)ElementType.Float16, graph.Input[0].Type.TensorType.ElemType);
        Assert.AreEqual((int)ElementType.Float16, graph.Output[0].Type.TensorType.ElemType);
        Assert.IsEmpty(graph.Initializer.Where(tensor => tensor.DataType == (int)ElementType.Float32));
        Assert.IsLessThan(0.6 * Save(network).Length, written.Length);
        var images = torch.randn([3, 2, 6, 6], generator: new torch.Generator(1));
        AssertNear(Run(written, images, ElementType.Float16), network.Forward(images));
        using var again = Load(written);
        AssertNear(network.Forward(images), again.Forward(images));
    }

    private static byte[] HalfModel(bool casts)
    {
        var model = ModelOf(13, [-1, 2, 6, 6], Half(Random("w", 1, 4, 2, 3, 3)), Half(Random("b", 2, 4)),
            Half(Random("v", 3, 64, 5)), Longs("s", 0, -1),
            Node("Cast", "x", "h", ("to", (int)ElementType.Float16)), Node("Conv", "h w b", "c"),
            Node("Relu", "c", "r"), Node("Reshape", "r s", "f"), Node("MatMul", "f v", "m"),
            Node("Cast", "m", "y", ("to", (int)(casts ? ElementType.Float32 : ElementType.Float16))));
        if (!casts)
        {
            model.Graph.Input[0].Type.TensorType.ElemType = (int)ElementType.Float16;
            model.Graph.Output[0].Type.TensorType.ElemType = (int)ElementType.Float16;
        }
        return model.ToByteArray();
    }

    private static TensorProto Half(TensorProto tensor) =>
        OnnxTensors.Write(tensor.Name,
            TensorData.Of<Half>([.. tensor.FloatData.Select(value => (Half)value)], [.. tensor.Dims]));

    private static torch.Tensor Run(byte[] model, torch.Tensor images, ElementType type) =>
        OnnxRuntimeReference.Run(model, [("x", TensorData.FromTorch(images.to(type.ToTorch())))])[0].ToTorch()
            .to(torch.ScalarType.Float32);

    private static void AssertNear(torch.Tensor expected, torch.Tensor actual) =>
        Assert.IsLessThanOrEqualTo(Tolerance, (expected.sub(actual).norm() / expected.norm()).item<float>());
}
