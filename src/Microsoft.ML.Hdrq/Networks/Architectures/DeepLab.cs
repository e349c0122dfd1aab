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
    /// <summary>Images that are lower or narrower than this are small.</summary>
    private const int SmallImage = 128;

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
        CheckCommon(classes, inputHeight, inputWidth);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        var input = layers.Input(inputHeight, inputWidth);
        var (features, channels) = ResNet.Backbone(layers, "backbone.", input, depth, outputStride);
        // Section 3.3 of the paper: rates of 6, 12 and 18 at stride 16, and twice these at stride 8.
        var value = Head(layers, features, channels, headChannels: 256, rate: 6 * (16 / outputStride), classes);
        return layers.Segmenter(value, input, inputHeight, inputWidth, classes);
    }

    /// <summary>
    /// A narrow network for small images and little time: a residual network of 18 layers that begins with one 3x3
    /// convolution, and a head with rates of 3, 6 and 9 instead of 6, 12 and 18. Parameters have the names of the
    /// larger networks.
    /// </summary>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="inputHeight">The height of the images, at least 32; null, the default, for any.</param>
    /// <param name="inputWidth">The width of the images, at least 32; null, the default, for any.</param>
    /// <param name="channels">The channels of the first stage, at least 1; 16 by default. The last stage has eight
    /// times as many, and the head four times.</param>
    /// <param name="outputStride">The ratio of the image's size to that of the features that the head reads: 4, 8 or
    /// 16. Null, the default, for 4 if images are known to be lower or narrower than 128 pixels, and for 16
    /// otherwise.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network Small(
        int classes, long seed, int? inputHeight = null, int? inputWidth = null, int channels = 16,
        int? outputStride = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        var stride = outputStride ?? (inputHeight < SmallImage || inputWidth < SmallImage ? 4 : 16);
        if (stride is not (4 or 8 or 16))
        {
            throw new ArgumentOutOfRangeException(
                nameof(outputStride), outputStride, "The output stride must be 4, 8 or 16.");
        }
        CheckCommon(classes, inputHeight, inputWidth);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        var input = layers.Input(inputHeight, inputWidth);
        var value = layers.Relu("backbone.relu",
            layers.Normalized("backbone.conv1", "backbone.bn1", input, 3, channels, kernel: 3, stride: 2));
        var reached = 2;
        if (stride > 4)
            (value, reached) = (layers.MaxPool("backbone.maxpool", value), 4);
        (value, var features) = ResNet.Stages(
            layers, "backbone.", value, channels, depth: 18, inputStride: reached, outputStride: stride);
        value = Head(layers, value, features, headChannels: 4 * channels, rate: 3, classes);
        return layers.Segmenter(value, input, inputHeight, inputWidth, classes);
    }

    private static void CheckCommon(int classes, int? inputHeight, int? inputWidth) =>
        LayerBuilder.CheckCommon(classes, Math.Min(inputHeight ?? 32, inputWidth ?? 32), 32);

    /// <summary>
    /// The head: a pyramid of four branches, three of them with dilation, and one of the image's mean; what joins them;
    /// and a classifier of each place.
    /// </summary>
    /// <param name="layers">Makes the layers.</param>
    /// <param name="features">What the head reads.</param>
    /// <param name="channels">Its channels.</param>
    /// <param name="headChannels">The channels of the head's layers.</param>
    /// <param name="rate">The first branch's dilation; the others have twice and three times as much.</param>
    /// <param name="classes">The number of classes.</param>
    private static string Head(
        LayerBuilder layers, string features, int channels, int headChannels, int rate, int classes)
    {
        var branches = new List<string> { Layer("classifier.0.convs.0", features, channels, 1, 1) };
        for (var branch = 1; branch <= 3; branch++)
            branches.Add(Layer($"classifier.0.convs.{branch}", features, channels, 3, branch * rate));
        var average = layers.GlobalAverage("classifier.0.convs.4.0", features);
        average = layers.Relu("classifier.0.convs.4.3",
            layers.Normalized("classifier.0.convs.4.1", "classifier.0.convs.4.2", average, channels, headChannels, 1));
        branches.Add(layers.ResizeLike("classifier.0.convs.4.resize", average, features));
        var value = layers.Concatenate("classifier.0.concat", [.. branches]);
        value = layers.Relu("classifier.0.project.2",
            layers.Normalized("classifier.0.project.0", "classifier.0.project.1",
                value, branches.Count * headChannels, headChannels, 1));
        value = layers.Relu("classifier.3",
            layers.Normalized("classifier.1", "classifier.2", value, headChannels, headChannels, 3));
        return layers.Convolution("classifier.4", value, headChannels, classes, 1, hasBias: true);

        string Layer(string name, string from, int inputs, int kernel, int dilation) =>
            layers.Relu($"{name}.2",
                layers.Normalized($"{name}.0", $"{name}.1", from, inputs, headChannels, kernel, dilation: dilation));
    }
}
