using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Compares a network with what ONNX Runtime makes of a file.</summary>
internal static class ModelParity
{
    public const double Tolerance = 1e-4;

    /// <summary>Compares on random numbers around zero.</summary>
    public static void AssertEqualScores(byte[] model, Network network, long[] shape, string? what = null)
    {
        var random = new Random(11);
        var values = new float[shape.Aggregate(1L, (product, size) => product * size)];
        for (var i = 0; i < values.Length; i++)
            values[i] = random.NextSingle() * 4 - 2;
        AssertEqualScores(model, network, TensorData.Of<float>(values, shape), what);
    }

    public static void AssertEqualScores(byte[] model, Network network, TensorData input, string? what = null)
    {
        var expected = OnnxRuntimeReference.Run(model, [(network.Graph.Inputs[0].Name, input)])[0];
        using var scope = torch.NewDisposeScope();
        var actual = network.Forward(input.ToTorch());
        CollectionAssert.AreEqual(expected.Shape.ToArray(), actual.shape, what);
        var difference = actual.numel() == 0 ? 0
            : actual.to(torch.ScalarType.Float64).sub(expected.ToTorch()).abs().max().item<double>();
        Assert.IsLessThanOrEqualTo(Tolerance, difference, what);
    }
}
