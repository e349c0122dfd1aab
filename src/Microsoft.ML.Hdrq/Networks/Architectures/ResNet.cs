using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// Residual networks of He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), with random weights.
/// Input <c>input</c>: [N, 3, height, width]; output <c>scores</c>: [N, classes], unnormalized.
/// </summary>
public static class ResNet
{
    /// <summary>
    /// A residual network for small images (section 4.2 of the paper): three stages of basic blocks with width, 2 width
    /// and 4 width channels, and shortcuts without parameters (option A). Parameters are named <c>conv1.weight</c>,
    /// <c>bn1.weight</c>, <c>layer1.0.conv1.weight</c>, ..., <c>linear.weight</c>.
    /// </summary>
    /// <param name="depth">6 n + 2 for n blocks per stage, for example 20, 32, 44 or 56.</param>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="width">The channels of the first stage, at least 1.</param>
    /// <param name="inputSize">Height and width of the images, at least 4.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network Cifar(int depth, int classes, long seed, int width = 16, int inputSize = 32)
    {
        if (depth < 8 || (depth - 2) % 6 != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(depth), depth, "The depth must be 6 n + 2, for example 20, 32, 44 or 56.");
        }
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        LayerBuilder.CheckCommon(classes, inputSize, 4);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: false);
        var value = layers.Input(inputSize);
        value = layers.Relu("relu", layers.Normalized("conv1", "bn1", value, 3, width, 3));
        var channels = width;
        for (var stage = 1; stage <= 3; stage++)
        {
            var outputChannels = width << (stage - 1);
            for (var block = 0; block < (depth - 2) / 6; block++)
            {
                var name = $"layer{stage}.{block}";
                var stride = stage > 1 && block == 0 ? 2 : 1;
                var shortcut = stride == 1
                    ? value
                    : layers.PaddedShortcut($"{name}.shortcut", value, outputChannels - channels);
                value = layers.BasicBlock(name, value, channels, outputChannels, stride, shortcut);
                channels = outputChannels;
            }
        }
        return layers.Classifier("linear", value, channels, classes);
    }

    /// <summary>
    /// A residual network for large images, with torchvision's structure and parameter names (<c>conv1.weight</c>,
    /// <c>layer1.0.downsample.0.weight</c>, ..., <c>fc.bias</c>), so that torchvision's weights fit: the stride of a
    /// bottleneck is on its 3x3 convolution.
    /// </summary>
    /// <param name="depth">18 or 34 (basic blocks), 50 or 101 (bottlenecks).</param>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="inputSize">Height and width of the images, at least 32.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network ImageNet(int depth, int classes, long seed, int inputSize = 224)
    {
        CheckDepth(depth);
        LayerBuilder.CheckCommon(classes, inputSize, 32);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        var (value, channels) = Backbone(layers, "", layers.Input(inputSize), depth, outputStride: 32);
        return layers.Classifier("fc", value, channels, classes);
    }

    /// <summary>Checks the depth of a network for large images.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The depth is not 18, 34, 50 or 101.</exception>
    internal static void CheckDepth(int depth)
    {
        if (depth is not (18 or 34 or 50 or 101))
            throw new ArgumentOutOfRangeException(nameof(depth), depth, "The depth must be 18, 34, 50 or 101.");
    }

    /// <summary>The network for large images without its classifier.</summary>
    /// <param name="layers">Makes the layers.</param>
    /// <param name="prefix">The prefix of all names.</param>
    /// <param name="value">The images.</param>
    /// <param name="depth">18, 34, 50 or 101.</param>
    /// <param name="outputStride">The ratio of the image's size to the output's: 32, 16 or 8. With 16 and 8, strides of
    /// the last stages become dilations, as in torchvision: from the second block of a stage on.</param>
    internal static (string Value, int Channels) Backbone(
        LayerBuilder layers, string prefix, string value, int depth, int outputStride)
    {
        value = layers.Relu($"{prefix}relu", layers.Normalized($"{prefix}conv1", $"{prefix}bn1", value, 3, 64, 7, 2));
        return Stages(
            layers, prefix, layers.MaxPool($"{prefix}maxpool", value), width: 64, depth, inputStride: 4, outputStride);
    }

    /// <summary>The four stages of a network, without what comes before and after them.</summary>
    /// <param name="layers">Makes the layers.</param>
    /// <param name="prefix">The prefix of all names.</param>
    /// <param name="value">The input of the first stage.</param>
    /// <param name="width">Its channels, and those of the first stage's 3x3 convolutions.</param>
    /// <param name="depth">18, 34, 50 or 101.</param>
    /// <param name="inputStride">The ratio of the image's size to the first stage's.</param>
    /// <param name="outputStride">The ratio of the image's size to the last stage's; strides that would go beyond it
    /// become dilations.</param>
    internal static (string Value, int Channels) Stages(
        LayerBuilder layers, string prefix, string value, int width, int depth, int inputStride, int outputStride)
    {
        int[] blocks = depth == 18 ? [2, 2, 2, 2] : depth == 101 ? [3, 4, 23, 3] : [3, 4, 6, 3];
        var isBottleneck = depth >= 50;
        var (channels, reached, dilation) = (width, inputStride, 1);
        for (var stage = 1; stage <= 4; stage++)
        {
            var innerChannels = width << (stage - 1);
            var outputChannels = isBottleneck ? 4 * innerChannels : innerChannels;
            // The dilation of the stage's first block, whose input is not dilated yet.
            var firstDilation = dilation;
            var isDilated = stage > 1 && reached == outputStride;
            if (isDilated)
                dilation *= 2;
            else if (stage > 1)
                reached *= 2;
            for (var block = 0; block < blocks[stage - 1]; block++)
            {
                var name = $"{prefix}layer{stage}.{block}";
                var stride = stage > 1 && block == 0 && !isDilated ? 2 : 1;
                var shortcut = stride == 1 && channels == outputChannels
                    ? value
                    : layers.Normalized($"{name}.downsample.0", $"{name}.downsample.1",
                        value, channels, outputChannels, 1, stride);
                var first = block == 0 ? firstDilation : dilation;
                value = isBottleneck
                    ? layers.Bottleneck(name, value, channels, innerChannels, outputChannels, stride, shortcut, first)
                    : layers.BasicBlock(name, value, channels, outputChannels, stride, shortcut, first, dilation);
                channels = outputChannels;
            }
        }
        return (value, channels);
    }
}
