using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using TorchSharp;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>Scores of images by this library, by ONNX Runtime alone, and from data.</summary>
internal static class Scores
{
    public static float[][] Of(Network network, float[][] images)
    {
        using var scope = torch.NewDisposeScope();
        using var gradients = torch.no_grad();
        var input = torch.tensor(images.SelectMany(image => image).ToArray(),
            [images.Length, SmallClassifier.Channels, SmallClassifier.Size, SmallClassifier.Size]);
        return Rows(network.Forward(input).data<float>().ToArray());
    }

    /// <summary>What ONNX Runtime computes from a file, without anything of this library.</summary>
    public static float[][] ByOnnxRuntime(string path, float[][] images)
    {
        using var session = new InferenceSession(path);
        var input = new DenseTensor<float>(
            images.SelectMany(image => image).ToArray(),
            [images.Length, SmallClassifier.Channels, SmallClassifier.Size, SmallClassifier.Size]);
        using var results = session.Run([NamedOnnxValue.CreateFromTensor(session.InputNames.Single(), input)]);
        return Rows(results.Single().AsEnumerable<float>().ToArray());
    }

    public static float[][] In(IDataView data, string column) => [.. data.GetColumn<float[]>(column)];

    /// <summary>Fails unless all scores are equal but for the order in which sums are taken.</summary>
    public static void AssertClose(float[][] expected, float[][] actual, double tolerance = 1e-5)
    {
        Assert.HasCount(expected.Length, actual);
        for (var row = 0; row < expected.Length; row++)
        {
            Assert.HasCount(expected[row].Length, actual[row]);
            for (var i = 0; i < expected[row].Length; i++)
                Assert.AreEqual(expected[row][i], actual[row][i], tolerance, $"row {row}, score {i}");
        }
    }

    private static float[][] Rows(float[] scores) => [.. scores.Chunk(SmallClassifier.Classes)];
}
