using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests;

/// <summary>Files of tiny networks with random weights.</summary>
internal static class TestNetworks
{
    /// <summary>Writes a ResNet that classifies images of 16 x 16 pixels.</summary>
    public static string WriteClassifier(string path, int classes = 3, int width = 4, int seed = 1)
    {
        using var network = ResNet.Cifar(8, classes, seed, width, inputSize: 16);
        network.SaveOnnx(path);
        return path;
    }

    /// <summary>Writes a DeepLab for images of 32 x 32 pixels.</summary>
    public static string WriteSegmenter(string path, int classes = 3, int seed = 1)
    {
        using var network = DeepLab.Small(classes, seed, inputHeight: 32, inputWidth: 32, channels: 2);
        network.SaveOnnx(path);
        return path;
    }

    /// <summary>Writes one convolution with the mean of what it gives.</summary>
    /// <param name="path">The file.</param>
    /// <param name="channels">Channels of the images.</param>
    /// <param name="size">Their height and width; -1 for any.</param>
    /// <param name="kernel">Height and width of the convolution's window.</param>
    /// <param name="rank">2 for scores of the shape [N, classes], 3 for [N, classes, 1], and so on.</param>
    public static string WriteConvolution(string path, int channels = 3, int size = 16, int rank = 2, int kernel = 3)
    {
        using var builder = new NetworkBuilder();
        var pixels = builder.Input("input", -1, channels, size, size);
        var convolved =
            builder.Node("Conv", "conv", [pixels, builder.Parameter("weight", torch.rand(3, channels, kernel, kernel))],
            ("kernel_shape", new long[] { kernel, kernel }));
        var pooled = builder.Node("GlobalAveragePool", "pool", [convolved]);
        long[] ones = [.. Enumerable.Repeat(1L, rank - 2)];
        var scores = builder.Node("Reshape", "scores", [pooled, builder.Constant("shape", [0, 3, .. ones])]);
        using var network = builder.Build(new GraphValue(scores, ElementType.Float32, [-1, 3, .. ones]));
        network.SaveOnnx(path);
        return path;
    }

    /// <summary>Writes one convolution that gives scores of three classes for places of images of 32 x 32 pixels.</summary>
    /// <param name="path">The file.</param>
    /// <param name="stride">Pixels from place to place.</param>
    /// <param name="classesLast">Whether the scores of a place follow each other.</param>
    public static string WritePlaces(string path, int stride, bool classesLast)
    {
        using var builder = new NetworkBuilder();
        var pixels = builder.Input("input", -1, 3, 32, 32);
        var scores = builder.Node(
            "Conv", "conv", [pixels, builder.Parameter("weight", torch.rand(3, 3, 1, 1))],
            ("strides", new long[] { stride, stride }));
        if (classesLast)
            scores = builder.Node("Transpose", "last", [scores], ("perm", new long[] { 0, 2, 3, 1 }));
        long side = 32 / stride;
        using var network = builder.Build(
            new GraphValue(scores, ElementType.Float32, classesLast ? [-1, side, side, 3] : [-1, 3, side, side]));
        network.SaveOnnx(path);
        return path;
    }
}
