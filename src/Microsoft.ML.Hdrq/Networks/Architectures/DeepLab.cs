using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// DeepLabV3 of Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation"
/// (2017, arXiv 1706.05587), for semantic segmentation, with random weights: a residual network with dilation in its
/// last stages, and atrous spatial pyramid pooling (ASPP). With residual networks of 50 and 101 layers it has
/// torchvision's structure and parameter names (<c>backbone.conv1.weight</c>, ..., <c>classifier.4.bias</c>), so that
/// torchvision's weights fit. There is no dropout. Input <c>input</c>: [N, 3, height, width]; output <c>scores</c>:
/// [N, classes, height, width], unnormalized, resized to the input's size by bilinear interpolation.
/// </summary>
public static class DeepLab
{
    private const int HeadChannels = 256;

    /// <summary>Creates the network.</summary>
    /// <param name="depth">The layers of the residual network: 18 or 34 (basic blocks), 50 or 101
    /// (bottlenecks).</param>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="inputHeight">The height of the images, at least 32; null, the default, for any.</param>
    /// <param name="inputWidth">The width of the images, at least 32; null, the default, for any.</param>
    /// <param name="outputStride">The ratio of the image's size to that of the features that the head reads: 16, the
    /// default, or 8, which is finer and takes more time and memory.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network Create(
        int depth, int classes, long seed, int? inputHeight = null, int? inputWidth = null, int outputStride = 16)
    {
        ResNet.CheckDepth(depth);
        if (outputStride is not (8 or 16))
        {
            throw new ArgumentOutOfRangeException(
                nameof(outputStride), outputStride, "The output stride must be 8 or 16.");
        }
        LayerBuilder.CheckCommon(classes, Math.Min(inputHeight ?? 32, inputWidth ?? 32), 32);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        var input = layers.Input(inputHeight, inputWidth);
        var (features, channels) = ResNet.Backbone(layers, "backbone.", input, depth, outputStride);

        // Section 3.3 of the paper: rates of 6, 12 and 18 at stride 16, and twice these at stride 8.
        var rate = 6 * (16 / outputStride);
        var branches = new List<string> { Layer("classifier.0.convs.0", features, channels, 1, 1) };
        for (var branch = 1; branch <= 3; branch++)
            branches.Add(Layer($"classifier.0.convs.{branch}", features, channels, 3, branch * rate));
        var average = layers.GlobalAverage("classifier.0.convs.4.0", features);
        average = layers.Relu("classifier.0.convs.4.3",
            layers.Normalized("classifier.0.convs.4.1", "classifier.0.convs.4.2", average, channels, HeadChannels, 1));
        branches.Add(layers.ResizeLike("classifier.0.convs.4.resize", average, features));
        var value = layers.Concatenate("classifier.0.concat", [.. branches]);
        value = layers.Relu("classifier.0.project.2",
            layers.Normalized("classifier.0.project.0", "classifier.0.project.1",
                value, branches.Count * HeadChannels, HeadChannels, 1));
        value = layers.Relu("classifier.3",
            layers.Normalized("classifier.1", "classifier.2", value, HeadChannels, HeadChannels, 3));
        value = layers.Convolution("classifier.4", value, HeadChannels, classes, 1, hasBias: true);
        return layers.Segmenter(value, input, inputHeight, inputWidth, classes);

        string Layer(string name, string from, int inputs, int kernel, int dilation) =>
            layers.Relu($"{name}.2",
                layers.Normalized($"{name}.0", $"{name}.1", from, inputs, HeadChannels, kernel, dilation: dilation));
    }
}
