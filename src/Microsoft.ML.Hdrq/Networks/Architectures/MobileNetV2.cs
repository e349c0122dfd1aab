using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// The network of Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), with random
/// weights and torchvision's structure and parameter names (<c>features.0.0.weight</c>,
/// <c>features.1.conv.0.0.weight</c>, ..., <c>classifier.1.bias</c>), so that torchvision's weights fit. Input
/// <c>input</c>: [N, 3, height, width]; output <c>scores</c>: [N, classes], unnormalized.
/// </summary>
public static class MobileNetV2
{
    private const int StemChannels = 32;
    private const int LastChannels = 1280;

    /// <summary>Table 2 of the paper: expansion, output channels, blocks, and stride of the first block.</summary>
    private static readonly (int Expansion, int Channels, int Blocks, int Stride)[] Stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

    /// <summary>Creates the network.</summary>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="inputSize">Height and width of the images, at least 32.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network Create(int classes, long seed, int inputSize = 224)
    {
        LayerBuilder.CheckCommon(classes, inputSize, 32);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        var value = layers.Input(inputSize);
        value = layers.Relu6("features.0.2",
            layers.Normalized("features.0.0", "features.0.1", value, 3, StemChannels, 3, 2));
        var (channels, index) = (StemChannels, 1);
        foreach (var stage in Stages)
        {
            for (var block = 0; block < stage.Blocks; block++)
            {
                value = layers.InvertedResidual(
                    $"features.{index++}.conv", value, channels, stage.Channels, stage.Expansion,
                    block == 0 ? stage.Stride : 1);
                channels = stage.Channels;
            }
        }
        value = layers.Relu6($"features.{index}.2",
            layers.Normalized($"features.{index}.0", $"features.{index}.1", value, channels, LastChannels, 1));
        return layers.Classifier("classifier.1", value, LastChannels, classes);
    }
}
