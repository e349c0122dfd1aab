using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>Networks that are rounded to nearest, with ranges from noise: speed does not depend on the numbers.</summary>
internal static class RoundedNetwork
{
    private const int CalibrationImages = 4;

    /// <summary>Quantizes a network.</summary>
    /// <param name="network">The network, for square images.</param>
    /// <param name="weightBits">Bits of weights.</param>
    /// <param name="activationBits">Bits of activations.</param>
    /// <param name="size">Height and width of the images.</param>
    /// <param name="reduceRange">See <see cref="QuantizationOptions.ReduceRange"/>.</param>
    public static Network Of(Network network, int weightBits, int activationBits, int size, bool reduceRange = true)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(2);
        var options = new RoundToNearestOptions
        {
            WeightBits = weightBits,
            ActivationBits = activationBits,
            ReduceRange = reduceRange,
            Calibration = new() { Observer = RangeObserverKind.MinMax },
            Moments = SentMoments.Nothing,
        };
        var images = torch.randn([CalibrationImages, 3, size, size], generator: generator);
        return NetworkQuantizer.Quantize(network, images, options, seed: 1);
    }
}
