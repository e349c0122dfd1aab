using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Mean and variance of each channel of layers' outputs on images of the source: what is left to compare a site's
/// images with, once normalizations are folded into the layers. They are stored in <see cref="Network.Metadata"/>, and
/// so in ONNX files, under names that begin with <see cref="NetworkMetadata.LayerStatistics"/>.
/// </summary>
internal static class OutputStatistics
{
    /// <summary>
    /// The layers whose outputs can have statistics, and whose scale and shift can follow them: those with a weight and
    /// a bias of their own and channels in dimension 1; but not the last one, whose outputs are scores, and those that
    /// a batch normalization follows, which has statistics itself.
    /// </summary>
    public static IEnumerable<Layer> Layers(Graph graph)
    {
        var last = graph.Layers.Last;
        var parameters = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        return graph.Layers.All.Where(layer => !ReferenceEquals(layer, last)
            && layer is { WeightQuantizer: null, Bias: not null, Operator.BiasFactor: 1 }
            && parameters.TryGetValue(layer.Bias, out var bias) && bias.Shape.Length == 1
            && layer.Operator.ByOutputChannel(layer.Parameter!.Shape.ToArray(), bias.Shape[0]) is not null
            && IsReadOnce(layer.Weight) && IsReadOnce(layer.Bias)
            && !graph.Flow.Readers(layer.Output).Any(node => node.Operator is BatchNormalization));

        bool IsReadOnce(string name) => graph.Flow.Readers(name).Count() == 1;
    }

    /// <summary>Whether a network carries statistics of its layers' outputs.</summary>
    public static bool AreIn(ImmutableSortedDictionary<string, string> metadata) =>
        metadata.Keys.Any(key => key.StartsWith(NetworkMetadata.LayerStatistics, StringComparison.Ordinal));

    /// <summary>Measures the outputs on images, and adds what was found to the network's metadata.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">[images, ...], at least one.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    public static void Collect(
        Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var layers = Layers(network.Graph).ToDictionary(layer => layer.Output, StringComparer.Ordinal);
        var statistics = new Dictionary<string, ChannelStatistics>(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device)
        {
            Watch = (name, value) =>
            {
                if (!layers.TryGetValue(name, out var layer))
                    return;
                if (!statistics.TryGetValue(layer.Weight, out var own))
                    statistics.Add(layer.Weight, own = new(value.shape[1], value.device, scope));
                own.Add(value);
            },
        };
        foreach (var (start, count) in NetworkBatches.Of(network.Graph, images.shape[0], batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            network.Run([images.narrow(0, start, count)], context);
        }
        network.Metadata = network.Metadata.SetItems(statistics.Select(pair => KeyValuePair.Create(
            NetworkMetadata.LayerStatistics + pair.Key, Encode(pair.Value.Mean, pair.Value.Variance))));
    }

    /// <summary>
    /// Reads the statistics of a layer's outputs from metadata; null where there are none of this size.
    /// </summary>
    public static (float[] Mean, float[] Variance)? Read(
        ImmutableSortedDictionary<string, string> metadata, string weight, long channels)
    {
        if (!metadata.TryGetValue(NetworkMetadata.LayerStatistics + weight, out var text))
            return null;
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length != 2 * sizeof(float) * channels)
            return null;
        var values = new float[2 * channels];
        Buffer.BlockCopy(bytes, 0, values, 0, length);
        var (mean, variance) = (values[..(int)channels], values[(int)channels..]);
        return values.All(float.IsFinite) && variance.All(value => value >= 0) ? (mean, variance) : null;
    }

    /// <summary>Means, then variances, in single precision, little-endian, base64.</summary>
    private static string Encode(torch.Tensor mean, torch.Tensor variance)
    {
        var values = torch.cat([mean, variance]).to(torch.ScalarType.Float32).cpu().data<float>().ToArray();
        var bytes = new byte[values.Length * sizeof(float)];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return Convert.ToBase64String(bytes);
    }
}
