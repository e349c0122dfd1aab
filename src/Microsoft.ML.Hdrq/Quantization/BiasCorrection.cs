using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Bias correction: rounding shifts the mean of what a layer gives, channel by channel; the shift is measured on images and taken from the bias (Nagel et al., "Data-Free Quantization Through Weight
/// Equalization and Bias Correction", ICCV 2019, section 4.2, with measured means).
/// </summary>
internal static class BiasCorrection
{
    /// <summary>Corrects the biases of quantized layers, in place.</summary>
    /// <param name="quantized">The quantized network.</param>
    /// <param name="exact">The network in full precision, its normalizations folded.</param>
    /// <param name="images">The images, computed together: a layer's input is what the layers before it give once they are corrected.</param>
    public static void Apply(Network quantized, Network exact, torch.Tensor images)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        images = images.to(quantized.Device);
        var layers = Layers(quantized.Graph).ToDictionary(layer => layer.Output, StringComparer.Ordinal);
        // By the layers' names: a quantizer of the network's output takes the name of what it quantizes.
        var names = layers.Values.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var originals = exact.Graph.Nodes.Where(node => names.Contains(node.Name)).ToDictionary(node => node.Outputs[0], StringComparer.Ordinal);
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
                // What follows is computed from the corrected value.
                value.add_(shift.reshape([-1, .. Enumerable.Repeat(1L, (int)value.dim() - 2)]), Scalars.One);
            },
        });
    }

    /// <summary>Layers of a quantized weight with a bias that no other layer has and that counts as it is.</summary>
    private static IEnumerable<Layer> Layers(Graph graph)
    {
        var parameters = graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        return graph.Layers.Weighted.Where(layer => layer is { WeightQuantizer: not null, Bias: { } bias, Operator.BiasFactor: 1 }
            && parameters.Contains(bias) && graph.Flow.Readers(bias).Count() == 1);
    }

    /// <summary>The mean of each channel, dimension 1.</summary>
    private static torch.Tensor Mean(torch.Tensor value) => value.mean([0, .. Enumerable.Range(2, (int)value.dim() - 2).Select(axis => (long)axis)]);
}
