using System.Collections.Immutable;
using System.Globalization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Gram matrices of the inputs of layers and 1, <c>E [x; 1][x; 1]^T</c>, where x are the inputs of one output position;
/// merging by regression needs them from every site. Kept are the means, and the covariance: whole, or only its
/// diagonal and <see cref="Rank"/> directions, <c>diag(d) + F F^T</c>, which are a few bytes for each input of a layer,
/// while its weights take a few bytes for each pair of input and output. They are stored in
/// <see cref="Network.Metadata"/>, and so in ONNX files, under names that begin with <see cref="Prefix"/>.
/// </summary>
internal static class InputGrams
{
    /// <summary>The prefix of the entries' names; the weight's name follows.</summary>
    public const string Prefix = NetworkMetadata.InputMoments;

    /// <summary>The usual number of directions kept of each matrix: those of its largest eigenvalues.</summary>
    public const int Rank = 8;

    /// <summary>The maximum number of images that are used, where more would not hide single ones.</summary>
    internal const int MaxImages = 256;

    /// <summary>
    /// The number of passes over the images: after the first, the directions with the largest response replace the
    /// random ones.
    /// </summary>
    private const int Passes = 2;

    /// <summary>Whether metadata has Gram matrices.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata) => In(metadata).Any();

    /// <summary>Whether metadata has the Gram matrix of a weight's inputs.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata, string parameter) =>
        metadata.ContainsKey(Prefix + parameter);

    /// <summary>The entries of metadata that are Gram matrices.</summary>
    internal static IEnumerable<KeyValuePair<string, string>> In(
        ImmutableSortedDictionary<string, string> metadata) =>
        metadata.Where(entry => entry.Key.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Metadata without Gram matrices and what is said of them.</summary>
    internal static ImmutableSortedDictionary<string, string> Without(
        ImmutableSortedDictionary<string, string> metadata) =>
        metadata.RemoveRange(In(metadata).Select(entry => entry.Key)).Remove(NetworkMetadata.SentMoments);

    /// <summary>Looks, before any work, whether moments can be sent of a network that images are at hand for.</summary>
    /// <param name="graph">The network's graph.</param>
    /// <param name="images">The number of images.</param>
    /// <param name="moments">Which moments.</param>
    /// <param name="warn">Told that there are too few images; null if nobody asks.</param>
    /// <exception cref="ArgumentException">They cannot; the message says why.</exception>
    internal static void Check(Graph graph, long images, SentMoments moments, Action<string>? warn)
    {
        moments.KindFor(Used(graph, images, moments), warn);
        if (moments.Noise is not null && NetworkBatches.FixedSize(graph) is > 1 and var size)
        {
            throw new ArgumentException(
                $"The network takes batches of {size} images, and noise on moments needs the inputs of each image "
                + "alone; export it for any number of images, or for one.");
        }
    }

    /// <summary>
    /// Computes the moments of a network on images that are to be sent, and adds them to its metadata.
    /// </summary>
    /// <param name="network">The network; with noise, a quantized one.</param>
    /// <param name="images">[images, ...], at least one.</param>
    /// <param name="moments">Which moments.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    /// <exception cref="ArgumentException">There are too few images.</exception>
    /// <exception cref="InvalidOperationException">
    /// The inputs of a layer are not finite, or too large; the message names it.
    /// </exception>
    internal static void Send(
        Network network, torch.Tensor images, SentMoments moments, int batchSize, CancellationToken cancellationToken)
    {
        network.Metadata = Without(network.Metadata);
        if (moments.Kind == MomentsKind.Nothing)
            return;
        var count = Used(network.Graph, images.shape[0], moments);
        var kind = moments.KindFor(count, warn: null);
        using var used = images.narrow(0, 0, count);
        if (kind != MomentsKind.Nothing && moments.Noise is { } noise)
            PrivateGrams.Collect(network, used, kind, noise, cancellationToken);
        else if (kind != MomentsKind.Nothing)
            Collect(network, used, batchSize, cancellationToken, kind);
        network.Metadata = network.Metadata.SetItem(
            NetworkMetadata.SentMoments, new SentMomentsReport(kind, count, moments.Noise).Write());
    }

    /// <summary>Computes the Gram matrices of a network on images, and adds them to its metadata.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">[images, ...], at least one; the first <see cref="MaxImages"/> are used.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    /// <param name="kind">Whether whole matrices are kept or a few directions.</param>
    /// <inheritdoc cref="Send" path="/exception[@cref='InvalidOperationException']"/>
    internal static void Collect(
        Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken,
        MomentsKind kind = MomentsKind.LowRank)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var count = kind == MomentsKind.Whole ? images.shape[0] : Math.Min(images.shape[0], MaxImages);
        var layers = network.Graph.Layers.MatrixProducts.ToList();
        var inputs = layers.ToLookup(layer => layer.Input, StringComparer.Ordinal);
        var sketches = new Dictionary<string, IGramSum>(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        context.Limit(network.MaxValueSize, batchSize);
        // The choice of positions depends only on their number.
        var positions = new LayerRows(count, context, new Random(0));
        var watching = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Add };
        for (var pass = 0; pass < (kind == MomentsKind.Whole ? 1 : Passes); pass++)
        {
            foreach (var sketch in sketches.Values.OfType<GramSketch>())
                sketch.Sharpen();
            foreach (var (start, size) in NetworkBatches.Of(network.Graph, count, batchSize))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = torch.NewDisposeScope();
                var batch = images.narrow(0, start, size).to(network.Device);
                Add(network.Graph.Inputs[0].Name, batch);
                network.Run([batch], watching);
            }
        }
        Store(network, layers.Where(layer => sketches.ContainsKey(layer.Weight))
            .Select(layer => KeyValuePair.Create(layer.Weight, sketches[layer.Weight].Encode())));

        void Add(string name, torch.Tensor value)
        {
            foreach (var layer in inputs[name])
            {
                using var layerScope = torch.NewDisposeScope();
                foreach (var (rows, _) in positions.Of(layer, value))
                {
                    if (!sketches.TryGetValue(layer.Weight, out var sketch))
                    {
                        sketch = kind == MomentsKind.Whole
                            ? new GramSum(layer.Name, rows.shape[1], rows.device, scope)
                            : new GramSketch(layer.Name, rows.shape[1], rows.device, scope, Rank);
                        sketches.Add(layer.Weight, sketch);
                    }
                    sketch.Add(rows);
                }
            }
        }
    }

    /// <summary>Replaces the Gram matrices in a network's metadata.</summary>
    /// <param name="network">The network.</param>
    /// <param name="texts">The name of each weight and the matrix as text.</param>
    internal static void Store(Network network, IEnumerable<KeyValuePair<string, string>> texts) =>
        network.Metadata = Without(network.Metadata)
            .SetItems(texts.Select(text => KeyValuePair.Create(Prefix + text.Key, text.Value)));

    /// <summary>Keeps the Gram matrices of one of the networks that another one was merged from.</summary>
    /// <param name="merged">The metadata of the merged network.</param>
    /// <param name="place">The network's place among those that were merged.</param>
    /// <param name="metadata">Its metadata.</param>
    internal static ImmutableSortedDictionary<string, string> Keep(
        ImmutableSortedDictionary<string, string> merged, int place,
        ImmutableSortedDictionary<string, string> metadata)
    {
        var kept = merged.SetItems(In(metadata).Select(entry =>
            KeyValuePair.Create($"{KeptPrefix(place)}{entry.Key[Prefix.Length..]}", entry.Value)));
        return metadata.TryGetValue(NetworkMetadata.SentMoments, out var sent)
            ? kept.SetItem(KeptSentKey(place), sent) : kept;
    }

    /// <summary>What a network said of the moments that <see cref="Keep"/> has kept; null where it said nothing.</summary>
    internal static string? KeptSent(ImmutableSortedDictionary<string, string> merged, int place) =>
        merged.GetValueOrDefault(KeptSentKey(place));

    /// <summary>Reads a Gram matrix that <see cref="Keep"/> has kept; null where there is none of this size.</summary>
    internal static InputGram? ReadKept(
        ImmutableSortedDictionary<string, string> merged, int place, string parameter, long size) =>
        Decode(merged, KeptPrefix(place) + parameter, size);

    /// <summary>The entries of metadata that <see cref="Keep"/> has kept of one network.</summary>
    internal static IEnumerable<KeyValuePair<string, string>> InKept(
        ImmutableSortedDictionary<string, string> merged, int place) =>
        merged.Where(entry => entry.Key.StartsWith(KeptPrefix(place), StringComparison.Ordinal));

    /// <summary>Whether metadata of a merged network has Gram matrices of those that it was merged from.</summary>
    internal static bool AreKept(ImmutableSortedDictionary<string, string> merged) => Kept(merged).Any();

    /// <summary>Metadata of a merged network without the Gram matrices of those that it was merged from.</summary>
    internal static ImmutableSortedDictionary<string, string> WithoutKept(
        ImmutableSortedDictionary<string, string> merged) => merged.RemoveRange([
            .. Kept(merged),
            .. merged.Keys.Where(key => key.StartsWith(NetworkMetadata.KeptSentMoments, StringComparison.Ordinal)),
        ]);

    private static IEnumerable<string> Kept(ImmutableSortedDictionary<string, string> merged) =>
        merged.Keys.Where(key => key.StartsWith(NetworkMetadata.KeptMoments, StringComparison.Ordinal));

    private static string KeptSentKey(int place) =>
        string.Create(CultureInfo.InvariantCulture, $"{NetworkMetadata.KeptSentMoments}{place}");

    private static string KeptPrefix(int place) =>
        string.Create(CultureInfo.InvariantCulture, $"{NetworkMetadata.KeptMoments}{place}/");

    /// <summary>
    /// The number of images that moments are of: all where there is noise, which more images make less.
    /// </summary>
    private static long Used(Graph graph, long images, SentMoments moments)
    {
        if (moments.Noise is null)
            images = Math.Min(images, Math.Max(MaxImages, moments.MinImages));
        return NetworkBatches.FixedSize(graph) is { } size ? images - images % size : images;
    }

    /// <summary>Reads a Gram matrix from metadata; null where there is none of this size.</summary>
    internal static InputGram? Read(ImmutableSortedDictionary<string, string> metadata, string parameter, long size) =>
        Decode(metadata, Prefix + parameter, size);

    private static InputGram? Decode(ImmutableSortedDictionary<string, string> metadata, string key, long size) =>
        metadata.TryGetValue(key, out var text) ? InputGram.Decode(text, size) : null;
}
