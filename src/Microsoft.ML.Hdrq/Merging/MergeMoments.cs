using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What one place measures in a merged draft, so that its next layers are merged again elsewhere: means and covariances
/// of what these layers read there, and of what the place's own network gives on the same images. One step of
/// <see cref="MergeRefinement.SecondRound"/> where images may not meet.
/// </summary>
/// <remarks>
/// No image is in it, but sums over all positions of all images: for a layer of n inputs and m outputs, n + m means and
/// n (n + m) products. What such sums tell of single images depends on how many there are; fewer than
/// <see cref="MinImages"/> are refused.
/// </remarks>
public sealed class MergeMoments : IDisposable
{
    /// <summary>The smallest number of images that may be behind moments.</summary>
    public const int MinImages = SentMoments.StandardMinImages;

    private const string Magic = "hdrq moments 2";

    private readonly Dictionary<int, LayerMoments> _layers;

    private MergeMoments(
        int step, int steps, long images, string draft, string network, Dictionary<int, LayerMoments> layers)
    {
        (Step, Steps, Images, Draft, Network, _layers) = (step, steps, images, draft, network, layers);
    }

    /// <summary>The number of steps that were done before, from 0.</summary>
    public int Step { get; }

    /// <summary>The number of all steps; one fewer remain after each.</summary>
    public int Steps { get; }

    /// <summary>The number of images that were measured.</summary>
    public long Images { get; }

    /// <summary><see cref="Networks.Network.ParametersSha256"/> of the draft.</summary>
    public string Draft { get; }

    /// <summary><see cref="Networks.Network.ParametersSha256"/> of the place's own network.</summary>
    public string Network { get; }

    /// <summary>The moments by the layers' places among the layers that are merged.</summary>
    internal IReadOnlyDictionary<int, LayerMoments> Layers => _layers;

    /// <summary>Measures the next layers of a draft.</summary>
    /// <param name="draft">
    /// The draft: a network that <see cref="NetworkMerger"/> merged, or merged again up to some layer.
    /// </param>
    /// <param name="network">The place's own network, one of those that were merged.</param>
    /// <param name="images">The place's images, [images, ...], at least <see cref="MinImages"/>.</param>
    /// <param name="cancellationToken">Cancels the work between two batches.</param>
    /// <returns>The moments, owned by the caller.</returns>
    /// <exception cref="ArgumentException">
    /// There are too few images; the draft is finished or no merged network; or the network is none of those that were
    /// merged.
    /// </exception>
    public static MergeMoments Measure(
        Network draft, Network network, torch.Tensor images, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(draft);
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        var hash = Check(draft, network);
        if (images.dim() == 0 || images.shape[0] < MinImages)
        {
            throw new ArgumentException(
                $"There are {(images.dim() == 0 ? 0 : images.shape[0])} images; moments of fewer than {MinImages} tell "
                + "too much of single ones.", nameof(images));
        }
        using var uses = Networks.Network.UseAll(draft, network);
        using var modes = new TorchModes();
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (steps, step) = (SecondRound.Steps(draft.Graph), StepOf(draft));
        using var here = network.To(draft.Device);
        using var merged = LayerMoments.Run(draft, images);
        using var own = LayerMoments.Run(here, images);
        // What the first layer reads tells whose images they are, in every step.
        var measured = LayerMoments.Measure(
            merged, own, [.. steps[step].Union([steps[0][0]])], cancellationToken);
        var places = Places(draft.Graph);
        var layers = measured.ToDictionary(layer => places[layer.Key], layer => layer.Value.Detach());
        return new(step, steps.Count, images.shape[0], draft.ParametersSha256(), hash, layers);
    }

    /// <summary>Writes the moments to a file, whole or not at all.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written to.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content, Encoding.UTF8);
        writer.Write(Magic);
        writer.Write(Step);
        writer.Write(Steps);
        writer.Write(Images);
        writer.Write(Draft);
        writer.Write(Network);
        writer.Write(_layers.Count);
        foreach (var (place, moments) in _layers.OrderBy(layer => layer.Key))
        {
            writer.Write(place);
            moments.Write(writer);
        }
        var bytes = content.ToArray();
        WholeFile.Write(path, file =>
        {
            file.Write(bytes);
            file.Write(SHA256.HashData(bytes));
        });
    }

    /// <summary>Reads a file that <see cref="Save"/> has written.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The moments, owned by the caller.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is something else, or damaged.</exception>
    public static MergeMoments Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var bytes = File.ReadAllBytes(path);
        var content = bytes.AsSpan(0, Math.Max(0, bytes.Length - SHA256.HashSizeInBytes));
        if (!SHA256.HashData(content).AsSpan().SequenceEqual(bytes.AsSpan(content.Length)))
            throw new InvalidDataException($"'{path}' holds no moments for merging, or is damaged.");
        TorchRuntime.EnsureLoaded();
        using var reader = new BinaryReader(new MemoryStream(bytes, 0, content.Length), Encoding.UTF8);
        if (reader.ReadString() != Magic)
            throw new InvalidDataException($"'{path}' holds no moments for merging.");
        var (step, steps, images) = (reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt64());
        var (draft, network) = (reader.ReadString(), reader.ReadString());
        var layers = new Dictionary<int, LayerMoments>();
        for (var count = reader.ReadInt32(); count > 0; count--)
            layers.Add(reader.ReadInt32(), LayerMoments.Read(reader).Detach());
        return new(step, steps, images, draft, network, layers);
    }

    /// <summary>Checks that a network can measure a draft, before there are images.</summary>
    /// <returns>The hash of the network.</returns>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    internal static string Check(Network draft, Network network)
    {
        var (hash, _) = Find(draft, network);
        return StepOf(draft) < SecondRound.Steps(draft.Graph).Count ? hash
            : throw new ArgumentException("All layers of the draft are merged again already.", nameof(draft));
    }

    /// <summary>Finds a network among those that a draft was merged from.</summary>
    /// <returns>Its hash, and its place among them.</returns>
    /// <exception cref="ArgumentException">It is none of them, or the draft is no merged network.</exception>
    internal static (string Hash, int Place) Find(Network draft, Network network)
    {
        if (!draft.Metadata.TryGetValue(NetworkMetadata.Merged, out var merged))
            throw new ArgumentException("The draft is not a merged network.", nameof(draft));
        var hash = network.ParametersSha256();
        return merged.Split(' ').IndexOf(hash) is >= 0 and var place ? (hash, place)
            : throw new ArgumentException(
                "The network is none of those that the draft was merged from: its weights are others.", nameof(network));
    }

    /// <summary>The number of steps of a second round that were done with a draft.</summary>
    internal static int StepOf(Network draft) =>
        !draft.Metadata.TryGetValue(NetworkMetadata.MergeMethod, out var method)
            || method.Contains(SecondRound.Suffix, StringComparison.Ordinal)
            || method.EndsWith(Distillation.Suffix, StringComparison.Ordinal) ? int.MaxValue
            : int.TryParse(
                draft.Metadata.GetValueOrDefault(NetworkMetadata.MergeStep)?.Split(' ')[0], NumberStyles.None,
                CultureInfo.InvariantCulture, out var step) ? step : 0;

    /// <summary>The place of each layer among those that are merged, by the names of their weights.</summary>
    internal static Dictionary<string, int> Places(Graph graph) => graph.Layers.MatrixProducts.Index()
        .ToDictionary(layer => layer.Item.Weight, layer => layer.Index, StringComparer.Ordinal);

    /// <summary>Frees the moments.</summary>
    public void Dispose()
    {
        foreach (var moments in _layers.Values)
            moments.Dispose();
        _layers.Clear();
    }
}
