using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Quantizes a network on images: folds normalizations, places quantizers, calibrates them, and reconstructs block by block.</summary>
internal static class NetworkQuantizer
{
    /// <summary>Quantizes a copy of a network.</summary>
    /// <param name="network">The network in full precision, on the device to compute on; not changed.</param>
    /// <param name="source">The network that it descends from, of the same graph; null for no distance term and scales of its own.</param>
    /// <param name="images">The calibration images, [images, ...], on the device where they and what blocks make of them are to be kept.</param>
    /// <param name="settings">How.</param>
    /// <param name="seed">The seed of everything random.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Ends quantization between two steps.</param>
    /// <returns>The quantized network on the same device, owned by the caller.</returns>
    /// <exception cref="ArgumentException">The source has another graph; the message names the first difference.</exception>
    public static Network Quantize(
        Network network, Network? source, torch.Tensor images, QuantizationSettings settings, int seed, IProgress<QuantizationProgress>? progress, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        using var folded = FoldBatchNormalization.Apply(network);
        using var foldedSource = source is null || (settings.Reconstruction is null && !settings.UseSourceScales) ? null : FoldedSource(source, folded);
        var batches = Split(images, settings.Calibration.BatchSize);
        var sites = QuantizerSites.Find(folded, settings.Placement, settings.WeightBits, settings.ActivationBits, settings.Overrides);
        var quantized = Calibration.Apply(folded, sites, batches, settings.Calibration, cancellationToken, settings.UseSourceScales ? foldedSource?.Parameters : null);
        try
        {
            if (settings.Reconstruction is { Iterations: > 0 } reconstruction)
                Reconstruction.Apply(quantized, images, foldedSource?.Parameters ?? new Dictionary<string, torch.Tensor>(), reconstruction, seed, progress, cancellationToken);
            if (settings.CorrectBiases)
                BiasCorrection.Apply(quantized, folded, images.narrow(0, 0, Math.Min(images.shape[0], settings.Calibration.ActivationImages)));
            if (settings.Placement == QuantizerPlacement.Integer)
                quantized = ForIntegers(quantized);
            // Those of the network in full precision say nothing of values on a grid.
            quantized.Metadata = InputGrams.Without(network.Metadata).With(
                (NetworkMetadata.Method, settings.Method),
                (NetworkMetadata.WeightBits, settings.WeightBits),
                (NetworkMetadata.ActivationBits, settings.ActivationBits),
                (NetworkMetadata.CalibrationImages, images.shape[0]),
                (NetworkMetadata.Source, (source ?? network).ParametersSha256()));
            if (settings.KeepInputGrams)
                InputGrams.Collect(quantized, images, settings.Calibration.BatchSize, cancellationToken);
            return quantized;
        }
        catch
        {
            quantized.Dispose();
            throw;
        }
    }

    /// <summary>What integer hardware asks for besides quantizers; disposes the network that it is given.</summary>
    private static Network ForIntegers(Network quantized)
    {
        var result = ClipByQuantizer.Apply(quantized);
        quantized.Dispose();
        foreach (var bias in IntegerBias.Find(result.Graph))
            bias.Round(result.Parameters);
        return result;
    }

    private static Network FoldedSource(Network source, Network folded)
    {
        using var here = source.To(folded.Device);
        var result = FoldBatchNormalization.Apply(here);
        if (result.Graph.FirstDifference(folded.Graph) is not { } difference)
            return result;
        result.Dispose();
        throw new ArgumentException($"The source network is not one that the network can descend from: {difference}", nameof(source));
    }

    private static List<torch.Tensor> Split(torch.Tensor images, int batchSize)
    {
        var batches = new List<torch.Tensor>();
        for (long start = 0; start < images.shape[0]; start += batchSize)
            batches.Add(images.narrow(0, start, Math.Min(batchSize, images.shape[0] - start)));
        return batches;
    }
}
