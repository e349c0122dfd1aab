using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Bias correction: rounding shifts the mean of a layer's output in each channel. The shift is measured on images and
/// subtracted from the bias (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
/// ICCV 2019, section 4.2, with measured means).
/// </summary>
internal static class BiasCorrection
{
    /// <summary>Corrects the biases of quantized layers, in place.</summary>
    /// <param name="quantized">The quantized network.</param>
    /// <param name="exact">The network in full precision, with its normalizations folded.</param>
    /// <param name="images">
    /// The images, computed as one batch: a layer's input is the output of the layers before it after their correction.
    /// </param>
    public static void Apply(Network quantized, Network exact, torch.Tensor images)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        images = images.to(quantized.Device);
        var layers = Layers(quantized.Graph).ToDictionary(layer => layer.Output, StringComparer.Ordinal);
        // Layers are matched by name: a quantizer of the network's output takes the name of what it quantizes.
        var names = layers.Values.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var originals = exact.Graph.Nodes
            .Where(node => names.Contains(node.Name))
            .ToDictionary(node => node.Outputs[0], StringComparer.Ordinal);
        var means = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        exact.Run([images], new ComputeContext(ForwardMode.Inference, exact.Device)
        {
            Watch = (name, value) =>
            {
                if (originals.TryGetValue(name, out var layer))
                    means.Add(layer.Name, Mean(value).MoveToOtherDisposeScope(scope));
            },
        });
        quantized.Run([images], new ComputeContext(ForwardMode.Inference, quantized.Device)
        {
            Watch = (name, value) =>
            {
                if (!layers.TryGetValue(name, out var layer) || !means.TryGetValue(layer.Name, out var mean))
                    return;
                var shift = mean.sub(Mean(value));
                quantized.Parameters[layer.Bias!].add_(shift, Scalars.One);
                // Later layers are computed from the corrected value.
                value.add_(
                    shift.reshape([-1, .. Enumerable.Repeat(1L, (int)value.dim() - 2)]), Scalars.One);
            },
        });
    }

    /// <summary>
    /// Finds the layers with a quantized weight and a bias that is a parameter, is read by this layer alone, and has
    /// the factor 1.
    /// </summary>
    private static IEnumerable<Layer> Layers(Graph graph)
    {
        var parameters = graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        return graph.Layers.Weighted.Where(layer =>
            layer is { WeightQuantizer: not null, Bias: { } bias, Operator.BiasFactor: 1 }
            && parameters.Contains(bias)
            && graph.Flow.Readers(bias).Count() == 1);
    }

    /// <summary>Computes the mean of each channel, dimension 1.</summary>
    private static torch.Tensor Mean(torch.Tensor value) =>
        value.mean([0, .. Enumerable.Range(2, (int)value.dim() - 2).Select(axis => (long)axis)]);
}
