using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Gram matrices of the inputs of layers and 1, <c>E [x; 1][x; 1]^T</c>, where x are the inputs of one output position;
/// merging by regression needs them from every site. Kept are the means, and of the covariance only the diagonal and
/// <see cref="Rank"/> directions, <c>diag(d) + F F^T</c>: a few bytes for each input of a layer, while its weights take
/// a few bytes for each pair of input and output. They are stored in <see cref="Network.Metadata"/>, and so in ONNX
/// files, under names that begin with <see cref="Prefix"/>.
/// </summary>
internal static class InputGrams
{
    /// <summary>The prefix of the entries' names; the weight's name follows.</summary>
    public const string Prefix = "hdrq.input_moments/";

    /// <summary>The usual number of directions kept of each matrix: those of its largest eigenvalues.</summary>
    public const int Rank = 8;

    /// <summary>The maximum number of images that are used.</summary>
    internal const int MaxImages = 256;

    /// <summary>
    /// The number of passes over the images: after the first, the directions with the largest response replace the
    /// random ones.
    /// </summary>
    private const int Passes = 2;

    /// <summary>Whether metadata has Gram matrices.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata) =>
        metadata.Keys.Any(key => key.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Whether metadata has the Gram matrix of a weight's inputs.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata, string parameter) =>
        metadata.ContainsKey(Prefix + parameter);

    /// <summary>Metadata without Gram matrices.</summary>
    internal static ImmutableSortedDictionary<string, string> Without(
        ImmutableSortedDictionary<string, string> metadata) =>
        metadata.RemoveRange(metadata.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)));

    /// <summary>Computes the Gram matrices of a network on images, and adds them to its metadata.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">[images, ...], at least one; the first <see cref="MaxImages"/> are used.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    /// <param name="rank">The number of directions kept of each matrix, at least 1.</param>
    /// <exception cref="InvalidOperationException">
    /// The inputs of a layer are not finite, or too large; the message names it.
    /// </exception>
    internal static void Collect(
        Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken, int rank = Rank)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var count = Math.Min(images.shape[0], MaxImages);
        var layers = network.Graph.Layers.MatrixProducts.ToList();
        var inputs = layers.ToLookup(layer => layer.Input, StringComparer.Ordinal);
        var sketches = new Dictionary<string, GramSketch>(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        context.Limit(network.MaxValueSize, batchSize);
        // The choice of positions depends only on their number.
        var positions = new LayerRows(count, context, new Random(0));
        var watching = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Add };
        for (var pass = 0; pass < Passes; pass++)
        {
            foreach (var sketch in sketches.Values)
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
        network.Metadata = Without(network.Metadata).SetItems(layers.Where(layer => sketches.ContainsKey(layer.Weight))
            .Select(layer => KeyValuePair.Create(Prefix + layer.Weight, sketches[layer.Weight].Encode())));

        void Add(string name, torch.Tensor value)
        {
            foreach (var layer in inputs[name])
            {
                using var layerScope = torch.NewDisposeScope();
                foreach (var (rows, _) in positions.Of(layer, value))
                {
                    if (!sketches.TryGetValue(layer.Weight, out var sketch))
                    {
                        sketch = new GramSketch(layer.Name, rows.shape[1], rows.device, scope, rank);
                        sketches.Add(layer.Weight, sketch);
                    }
                    sketch.Add(rows);
                }
            }
        }
    }

    /// <summary>Reads a Gram matrix from metadata; null where there is none of this size.</summary>
    internal static InputGram? Read(ImmutableSortedDictionary<string, string> metadata, string parameter, long size) =>
        metadata.TryGetValue(Prefix + parameter, out var text) ? InputGram.Decode(text, size) : null;
}
