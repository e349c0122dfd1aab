using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
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
    /// a bias of their own and channels in dimension 1, quantized or not; but not the last one, whose outputs are
    /// scores, and those that a batch normalization follows, which has statistics itself.
    /// </summary>
    public static IEnumerable<Layer> Layers(Graph graph)
    {
        var last = graph.Layers.Last;
        var parameters = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        return graph.Layers.All.Where(layer => !ReferenceEquals(layer, last)
            && layer is { Bias: not null, Operator.BiasFactor: 1 }
            && layer.WeightQuantizer is null or { IsWeight: true }
            && parameters.TryGetValue(layer.Bias, out var bias) && bias.Shape.Length == 1
            && layer.Operator.ByOutputChannel(layer.Parameter!.Shape.ToArray(), bias.Shape[0]) is not null
            && IsReadOnce(layer.Weight) && IsReadOnce(layer.Bias)
            && (layer.WeightQuantizer is not { } quantizer
                || (IsReadOnce(quantizer.Scale) && IsReadOnce(quantizer.Output)))
            && !graph.Flow.Readers(layer.Output).Any(node => node.Operator is BatchNormalization));

        bool IsReadOnce(string name) => graph.Flow.Readers(name).Count() == 1;
    }

    /// <summary>Whether a network carries statistics of its layers' outputs.</summary>
    public static bool AreIn(ImmutableSortedDictionary<string, string> metadata) =>
        metadata.Keys.Any(IsOfLayer);

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
        network.Metadata = statistics.Aggregate(network.Metadata, (metadata, pair) =>
            Write(metadata, pair.Key, pair.Value.Mean, pair.Value.Variance));
    }

    /// <summary>Metadata that hold the statistics of a layer's outputs too.</summary>
    public static ImmutableSortedDictionary<string, string> Write(
        ImmutableSortedDictionary<string, string> metadata, string weight, torch.Tensor mean, torch.Tensor variance) =>
        metadata.SetItem(NetworkMetadata.LayerStatistics + weight, Encode(mean, variance));

    /// <summary>
    /// Metadata of a merged network, with the statistics that all networks carry, as those of the mixture of their
    /// images: <c>mean = sum lambda_d mean_d</c> and <c>variance = sum lambda_d (variance_d + mean_d^2) - mean^2</c>.
    /// </summary>
    /// <param name="metadata">The metadata without statistics that differ.</param>
    /// <param name="networks">The metadata of the networks and their weights, in an order of their own.</param>
    public static ImmutableSortedDictionary<string, string> Merge(
        ImmutableSortedDictionary<string, string> metadata,
        IReadOnlyList<(ImmutableSortedDictionary<string, string> Metadata, double Lambda)> networks)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var weight in networks[0].Metadata.Keys.Where(IsOfLayer)
            .Select(key => key[NetworkMetadata.LayerStatistics.Length..]))
        {
            var all = networks.Select(network => (Found: Read(network.Metadata, weight), network.Lambda)).ToList();
            var channels = all[0].Found?.Mean.Length;
            if (all.Any(one => one.Found is null || one.Found.Value.Mean.Length != channels))
                continue;
            var mean = Sum(found => Double(found.Mean));
            var squares = Sum(found => Double(found.Variance).add(Double(found.Mean).Squared(), Scalars.One));
            metadata = Write(metadata, weight, mean, squares.sub(mean.Squared()).clamp_min(Scalars.Keep(0.0)));

            torch.Tensor Sum(Func<(float[] Mean, float[] Variance), torch.Tensor> value) => all
                .Select(one => value(one.Found!.Value).mul(Scalars.Keep(one.Lambda)))
                .Aggregate((one, other) => one.add(other, Scalars.One));
        }
        return metadata;

        static torch.Tensor Double(float[] values) => torch.tensor(values, torch.ScalarType.Float64);
    }

    /// <summary>
    /// Reads the statistics of a layer's outputs from metadata; null where there are none of this size.
    /// </summary>
    public static (float[] Mean, float[] Variance)? Read(
        ImmutableSortedDictionary<string, string> metadata, string weight, long channels) =>
        Read(metadata, weight) is { } found && found.Mean.Length == channels ? found : null;

    private static (float[] Mean, float[] Variance)? Read(
        ImmutableSortedDictionary<string, string> metadata, string weight)
    {
        if (!metadata.TryGetValue(NetworkMetadata.LayerStatistics + weight, out var text))
            return null;
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length == 0
            || length % (2 * sizeof(float)) != 0)
        {
            return null;
        }
        var values = new float[length / sizeof(float)];
        Buffer.BlockCopy(bytes, 0, values, 0, length);
        var (mean, variance) = (values[..(values.Length / 2)], values[(values.Length / 2)..]);
        return values.All(float.IsFinite) && variance.All(value => value >= 0) ? (mean, variance) : null;
    }

    private static bool IsOfLayer(string key) =>
        key.StartsWith(NetworkMetadata.LayerStatistics, StringComparison.Ordinal);

    /// <summary>Means, then variances, in single precision, little-endian, base64.</summary>
    private static string Encode(torch.Tensor mean, torch.Tensor variance)
    {
        var values = torch.cat([mean, variance]).to(torch.ScalarType.Float32).cpu().data<float>().ToArray();
        var bytes = new byte[values.Length * sizeof(float)];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return Convert.ToBase64String(bytes);
    }
}
