using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>Compares tensors with expected numbers.</summary>
internal static class Golden
{
    /// <summary>
    /// Relative; numbers below a tenth are compared as if they were a tenth, for sums of which the parts cancel.
    /// </summary>
    public const double Tolerance = 1e-5;

    public static void AssertClose(ReadOnlySpan<float> expected, torch.Tensor actual, string? what = null)
    {
        var numbers = Numbers(actual);
        Assert.HasCount(expected.Length, numbers, what);
        for (var i = 0; i < numbers.Length; i++)
            Assert.AreEqual(expected[i], numbers[i], Tolerance * Math.Max(0.1, Math.Abs(expected[i])),
                $"{what}, element {i}");
    }

    public static float[] Numbers(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().cpu().contiguous().data<float>().ToArray();
    }

    public static TensorData[] Parameters(Network network) =>
        [.. network.Parameters.Values.Select(tensor => TensorData.FromTorch(tensor))];
}
