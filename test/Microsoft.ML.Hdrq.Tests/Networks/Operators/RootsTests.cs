using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

[TestClass]
public sealed class RootsTests
{
    // The slope of x^a is a x^(a - 1); where it is infinite, no step could be taken.
    [TestMethod]
    [DataRow("Sqrt", 0.5f)]
    [DataRow("Pow", 0.5f)]
    [DataRow("Pow", 0.25f)]
    [DataRow("Pow", 1f)]
    [DataRow("Pow", 3f)]
    public void GradientsAreFinite(string type, float exponent)
    {
        using var scope = torch.NewDisposeScope();
        float[] values = [0, 0.25f, 1, 16];
        var x = torch.tensor(values, [1, 4], requires_grad: true);
        var y = type == "Sqrt" ? Roots.Sqrt(x) : Roots.Power(x, torch.tensor(exponent));
        y.sum().backward();
        var slopes = x.grad!.data<float>().ToArray();
        for (var i = 0; i < values.Length; i++)
        {
            var slope = values[i] == 0 && exponent < 1 ? 0 : exponent * Math.Pow(values[i], exponent - 1);
            Assert.AreEqual(Math.Pow(values[i], exponent), y.data<float>()[i], 1e-6);
            Assert.AreEqual(slope, slopes[i], 1e-4 * (1 + slope));
        }
    }

    // Exporters write x * x as a power of an integer.
    [TestMethod]
    public void PowersOfIntegersHaveGradients()
    {
        using var scope = torch.NewDisposeScope();
        var x = torch.tensor(new[] { -3f, 0, 2 }, requires_grad: true);
        Roots.Power(x, torch.tensor(2L)).sum().backward();
        CollectionAssert.AreEqual(new[] { -6f, 0, 4 }, x.grad!.data<float>().ToArray());
    }

    // Half of what comes out of a Relu is 0, and noise makes some of it negative: the loss was NaN.
    [TestMethod]
    [DataRow("root")]
    [DataRow("generalized mean")]
    public void NetworksWithRootsAreTrained(string form)
    {
        using var scope = torch.NewDisposeScope();
        Google.Protobuf.IMessage[] middle = form == "root"
            ? [Node("Sqrt", "r", "m")]
            : [
                Floats("p", [], 3), Floats("root", [], 1 / 3f), Node("Pow", "r p", "cubes"),
                Node("GlobalAveragePool", "cubes", "mean"), Node("Pow", "mean root", "m"),
            ];
        using var network = Load(ModelOf(
            18, [-1, 3, 8, 8], [
                Random("a", 1, 4, 3, 3, 3), Node("Conv", "x a", "c"), Node("Relu", "c", "r"), .. middle,
                Random("b", 2, 5, 4, 1, 1), Node("Conv", "m b", "s"), Node("Flatten", "s", "y"),
            ]));
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        QuantizationOptions[] methods =
        [
            new HdrqOptions { Training = new HdrqTraining { Iterations = 5 } },
            new QDropOptions { Training = new QDropTraining { Iterations = 5 } },
            new BrecqOptions { Training = new RoundingTraining { Iterations = 5 } },
        ];
        foreach (var method in methods)
        {
            using var quantized = NetworkQuantizer.Quantize(
                network, images, method with { WeightBits = 8, ActivationBits = 8 });
            var (exact, actual) = (network.Forward(images), quantized.Forward(images));
            Assert.IsLessThan(0.1, (exact.sub(actual).norm() / exact.norm()).item<float>(), method.GetType().Name);
        }
    }
}
