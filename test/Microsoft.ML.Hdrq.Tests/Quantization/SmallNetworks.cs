using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>Networks to quantize.</summary>
internal static class SmallNetworks
{
    /// <summary>A residual network of 8 layers for 8x8 images, its normalizations folded.</summary>
    public static Network Residual(int width = 4, int inputSize = 8)
    {
        using var network = ResNet.Cifar(8, 5, seed: 1, width, inputSize);
        return FoldBatchNormalization.Apply(network);
    }

    /// <summary>
    /// Builds a network on [-1, 2, 8, 8] of convolutions <c>Conv(name, input, channels in, out)</c> and other nodes.
    /// </summary>
    public static Network Build(Action<NetworkBuilder> build, string output = "y")
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 8, 8);
        build(builder);
        return builder.Build(new GraphValue(output, ElementType.Float32, []));
    }

    public static string Convolve(
        this NetworkBuilder builder, string name, string input, int inputChannels = 2, int outputChannels = 2)
    {
        var weight = builder.Parameter(
            $"{name}.weight", Random(name.Length + inputChannels, outputChannels, inputChannels, 3, 3).mul(0.3));
        return builder.Node("Conv", name, [input, weight], ("pads", new long[] { 1, 1, 1, 1 }));
    }

    public static torch.Tensor Random(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: generator);
    }

    /// <summary>
    /// Rounding to nearest as the paper has it, but with quantizers for all that integers are computed of.
    /// </summary>
    public static RoundToNearestOptions Nearest { get; } =
        RoundToNearestOptions.Paper with { Placement = QuantizerPlacement.Integer };

    /// <summary>A network quantized by rounding to nearest.</summary>
    public static Network Quantize(
        Network network, torch.Tensor images, int weightBits, int activationBits,
        QuantizerPlacement placement = QuantizerPlacement.Paper, bool perChannel = false) =>
        Calibration.Apply(
            network, QuantizerSites.Find(network, placement, weightBits, activationBits, [], reduceRange: false),
            [images], new CalibrationOptions(), perChannel, CancellationToken.None);
}
