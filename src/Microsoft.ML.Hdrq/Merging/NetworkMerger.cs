using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges networks with equal graphs into one network by <see cref="MergeOptions.Method"/>, without data and without
/// training: by default RegMean where all networks carry Gram matrices of their layers' inputs, otherwise
/// <c>W = sum lambda_d W_d</c>. With unlabelled images of the networks' places the result is improved by
/// <see cref="MergeOptions.Refinement"/>.
/// <para>
/// A quantized weight counts as what its site would send: integers <c>q_d = clamp(round(w_d / s_d))</c> and scales
/// <c>s_d</c>. By the mean, its merged scale is <c>s = sum lambda_d s_d</c>, and its integers are the mean
/// <c>sum lambda_d q_d s_d / s</c>, rounded by a <see cref="MergeRounding"/>; the merged network holds <c>q s</c>.
/// Biases that all networks hold as integers, in steps of the scales of input and weight, become integers again. Scales
/// of activations, other biases and all other floating-point weights become weighted means. Running statistics of
/// normalizations, and recorded ones of layers' outputs, become those of the mixture of the networks' data,
/// <c>mean = sum lambda_d mean_d</c> and <c>variance = sum lambda_d (variance_d + mean_d^2) - mean^2</c>. Constants
/// must be equal. Where quantizers of
/// equally many integers have different zero points, the range of the merged one begins at the weighted mean of where
/// theirs begin.
/// </para>
/// <para>
/// The result does not depend on the order of the networks (with their weights), and is the same every time. See Shin
/// et al., "Merge-Friendly Post-Training Quantization for Multi-Target Domain Adaptation", ICML 2025, and, for the
/// statistics, Li et al., arXiv 2407.13771.
/// </para>
/// </summary>
public static class NetworkMerger
{
    /// <summary>The values of a network from which on what it leaves to the collector counts.</summary>
    private const long LargeNetwork = 4_000_000;

    /// <summary>Merges networks.</summary>
    /// <param name="networks">
    /// At least two networks whose graphs are equal, all quantized in the same way or none quantized. They are not
    /// changed, and may be on different devices.
    /// </param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <returns>The merged network, on the first network's device, owned by the caller.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two networks; their graphs, shapes, bit widths, names of classes or sources differ, or one
    /// is quantized and another is not (the message names the first difference); a constant differs; a parameter holds
    /// a value that is not finite, or a scale is not positive; the networks do not suit the method, or it has no name
    /// or returns too many, too few or infinite values for a parameter; or the weights are too many or too few,
    /// negative, or do not sum to 1.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// A weight goes through two quantizers that differ, or is held as integers that do not belong to a quantizer, such
    /// as integers with zero points that differ between channels; the message names it.
    /// </exception>
    public static Network Merge(IReadOnlyList<Network> networks, MergeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(networks);
        options ??= new MergeOptions();
        using var merge = new MergeWork(networks, options);
        return merge.Finish(merge.Draft());
    }

    /// <summary>
    /// Merges networks of ONNX files, in the memory that one of them and one layer of them all take: the result is that
    /// of <see cref="Merge(IReadOnlyList{Network}, MergeOptions?)"/>, bit for bit. Meanwhile the parameters of all
    /// networks lie in the system's folder of temporary files, in full precision; where that is in memory, <c>TMPDIR</c>
    /// names another one.
    /// </summary>
    /// <param name="files">The files, at least two, as for networks; external tensors are read from their folders.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="loading">How files are read; null for the defaults.</param>
    /// <param name="progress">Receives a report after each file and each layer; null for none.</param>
    /// <param name="cancellationToken">Cancels the work between two files or two parameters.</param>
    /// <returns>The merged network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentException">
    /// As for networks, which messages number in the order of their files.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="FileNotFoundException">There is no such file; none was read before.</exception>
    /// <exception cref="InvalidDataException">A file is not a well-formed ONNX model; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read, or there is no space for temporary files.</exception>
    /// <exception cref="NotSupportedException">As for networks, or a file needs what is not supported.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Network MergeFiles(
        IReadOnlyList<string> files, MergeOptions? options = null, OnnxLoadOptions? loading = null,
        IProgress<MergeProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new MergeOptions();
        loading ??= new OnnxLoadOptions();
        CheckFiles(files, options);
        using var folder = new TemporaryFolder();
        var networks = new List<FileNetwork>();
        try
        {
            var layers = new HashSet<string>(StringComparer.Ordinal);
            var step = 0;
            foreach (var (index, file) in files.Index())
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var network = Network.LoadOnnx(file, loading);
                networks.Add(new FileNetwork(network, folder.Combine($"{index}")));
                layers.UnionWith(network.Graph.Layers.MatrixProducts.Select(layer => layer.Weight));
                // What a file was read into is as large as its network, and .NET would collect it some files later.
                if (network.Parameters.Values.Sum(parameter => parameter.numel()) >= LargeNetwork)
                    GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
                Report(file);
            }
            using var merge = new MergeWork(networks, options);
            return merge.Finish(merge.Draft(parameter =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (layers.Contains(parameter))
                    Report(parameter);
            }));

            void Report(string done)
            {
                FreedMemory.Return();
                progress?.Report(new(++step, files.Count + layers.Count, done));
            }
        }
        finally
        {
            networks.ForEach(network => network.Dispose());
        }
    }

    /// <summary>
    /// Merges networks, and improves the result on unlabelled images of their places, by
    /// <see cref="MergeOptions.Refinement"/>.
    /// </summary>
    /// <param name="networks">The networks, as for <see cref="Merge(IReadOnlyList{Network}, MergeOptions?)"/>.</param>
    /// <param name="images">
    /// For each network, images of its place, [images, ...] as the network takes them, at least one; a few hundred are
    /// enough. They are not changed, and may be on any device.
    /// </param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="progress">Receives a report after each step of merging layers again; null for none.</param>
    /// <param name="cancellationToken">Cancels the work between two batches.</param>
    /// <returns>The merged network, on the first network's device, owned by the caller.</returns>
    /// <exception cref="ArgumentException">
    /// As without images; or there are more or fewer sets of images than networks, or one is empty; or layers of the
    /// networks have other inputs than others.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    /// <exception cref="InvalidOperationException">
    /// The loss of training is no longer finite: the learning rate is too large.
    /// </exception>
    /// <exception cref="NotSupportedException">As without images.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Network Merge(
        IReadOnlyList<Network> networks, IReadOnlyList<torch.Tensor> images, MergeOptions? options = null,
        int seed = 0, IProgress<MergeProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(networks);
        ArgumentNullException.ThrowIfNull(images);
        options ??= new MergeOptions();
        options.Check();
        if (images.Count != networks.Count)
        {
            throw new ArgumentException(
                $"There are {networks.Count} networks and images of {images.Count} places.", nameof(images));
        }
        for (var d = 0; d < images.Count; d++)
        {
            if (images[d] is null || images[d].dim() == 0 || images[d].shape[0] == 0)
                throw new ArgumentException($"There are no images for network {d}.", nameof(images));
        }
        using var merge = new MergeWork(networks, options);
        return merge.Finish(merge.Refined(networks, images, seed, progress, cancellationToken));
    }

    /// <summary>
    /// Merges the next layers of a merged draft again, from what each place has measured in it: one step of
    /// <see cref="MergeRefinement.SecondRound"/> where images may not meet. After the last step the result is, bit for
    /// bit, that of merging with all images at hand.
    /// </summary>
    /// <param name="draft">
    /// The draft: what <see cref="Merge(IReadOnlyList{Network}, MergeOptions?)"/> or this method gave for the same
    /// networks; not changed.
    /// </param>
    /// <param name="networks">The networks that the draft was merged from.</param>
    /// <param name="moments">
    /// For each network, what its place has measured in the draft, in any order; see <see cref="MergeMoments.Measure"/>.
    /// </param>
    /// <param name="options">The options that the draft was merged with; null for the defaults.</param>
    /// <returns>
    /// The draft of the next step, or the merged network after the last one, owned by the caller.
    /// <see cref="NetworkMetadata.MergeStep"/> says which: it is there as long as steps are left.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The networks are not those of the draft, moments are of other networks or of another draft, or none is left to
    /// be done.
    /// </exception>
    public static Network MergeAgain(
        Network draft, IReadOnlyList<Network> networks, IReadOnlyList<MergeMoments> moments,
        MergeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(draft);
        ArgumentNullException.ThrowIfNull(networks);
        ArgumentNullException.ThrowIfNull(moments);
        using var uses = draft.Use();
        using var merge = new MergeWork(networks, options ?? new MergeOptions());
        return merge.Finish(merge.Again(draft, moments));
    }

    /// <summary>
    /// Trains a merged network at one place, on its unlabelled images, to give there what the place's own network
    /// gives, and holds it to what it gives at the other places, by the moments that their networks carried. Where
    /// images may not meet, the network goes from place to place in this way. Steps of quantizers are not trained.
    /// </summary>
    /// <param name="draft">
    /// A merged network that keeps these moments (<see cref="MergeOptions.KeepMoments"/>), best after a second round; or
    /// what this method gave at another place. It is not changed.
    /// </param>
    /// <param name="network">The place's own network, one of those that were merged.</param>
    /// <param name="images">The place's images, [images, ...] as the network takes them, at least one.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="keepMoments">Whether the result keeps the moments, for the next place.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="cancellationToken">Cancels the work between two steps.</param>
    /// <returns>The trained network, on the draft's device, owned by the caller.</returns>
    /// <exception cref="ArgumentException">
    /// There are no images; the draft is no merged network, keeps no moments, or is in the middle of a second round; the
    /// network is none of those that were merged; or the images look like those of another place.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    /// <exception cref="InvalidOperationException">
    /// The loss of training is no longer finite: the learning rate is too large.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Network DistillAtPlace(
        Network draft, Network network, torch.Tensor images, DistillationOptions? options = null,
        bool keepMoments = true, int seed = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(draft);
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        options ??= new();
        options.Check();
        var place = CheckTurn(draft, network);
        if (images.dim() == 0 || images.shape[0] == 0)
            throw new ArgumentException("There are no images.", nameof(images));
        using var uses = Network.UseAll(draft, network);
        using var modes = new TorchModes();
        using var scope = torch.NewDisposeScope();
        using var own = network.To(draft.Device);
        var places = draft.Metadata[NetworkMetadata.Merged].Split(' ').Length;
        PlaceCheck.CheckOwn(draft, own, place, places, images, cancellationToken);
        using var held = new HeldOutputs(draft, [.. Enumerable.Range(0, places).Where(other => other != place)]);
        using var gradients = torch.enable_grad();
        var before = Agreement(draft);
        var distilled = Distillation.Train(draft, [(own, images)], options, seed, cancellationToken, held);
        try
        {
            var report = new DistillationReport(
                network.ParametersSha256(), images.shape[0], before, Agreement(distilled));
            distilled.Metadata = report.AddTo(Described());
            return distilled;
        }
        catch
        {
            distilled.Dispose();
            throw;
        }

        ImmutableSortedDictionary<string, string> Described()
        {
            var method = draft.Metadata[NetworkMetadata.MergeMethod];
            return (keepMoments ? draft.Metadata : InputGrams.WithoutKept(draft.Metadata)).SetItem(
                NetworkMetadata.MergeMethod,
                method.EndsWith(Distillation.Suffix, StringComparison.Ordinal) ? method : method + Distillation.Suffix);
        }

        double Agreement(Network merged)
        {
            using var agreementScope = torch.NewDisposeScope();
            return UnlabelledScores.Agreement(Probabilities(merged), Probabilities(own));
        }

        torch.Tensor Probabilities(Network one) =>
            UnlabelledScores.Probabilities(one, images, LayerMoments.BatchSize, cancellationToken);
    }

    /// <summary>Checks that a draft can be distilled at the place of a network, before there are images.</summary>
    /// <returns>The network's place among those that were merged.</returns>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    internal static int CheckTurn(Network draft, Network network)
    {
        var (_, place) = MergeMoments.Find(draft, network);
        if (draft.Metadata.GetValueOrDefault(NetworkMetadata.MergeStep) is { } step)
        {
            throw new ArgumentException(
                $"The draft is at step {step} of a second round, which has to be done first.", nameof(draft));
        }
        if (!InputGrams.AreKept(draft.Metadata))
        {
            throw new ArgumentException(
                $"The draft keeps no moments of the networks: merge with {nameof(MergeOptions)}."
                + $"{nameof(MergeOptions.KeepMoments)}, and at each place but the last keep them.", nameof(draft));
        }
        return place;
    }

    /// <summary>Checks that networks can be merged, as far as their values do not matter.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="options">The options.</param>
    /// <param name="columns">The score columns of the networks, for messages; null to number the networks.</param>
    /// <returns>The names of their classes; null if no network has any.</returns>
    /// <exception cref="ArgumentException">They cannot; the message names the first difference.</exception>
    internal static IReadOnlyList<string>? Check(
        IReadOnlyList<INetworkContent> networks, MergeOptions options, IReadOnlyList<string>? columns = null)
    {
        CheckCount(networks.Count, nameof(networks));
        for (var d = 0; d < networks.Count; d++)
        {
            if (networks[d] is null)
                throw new ArgumentException($"Network {Name(d)} is null.", nameof(networks));
            if (networks[d].IsQuantized != networks[0].IsQuantized)
            {
                var (quantized, other) = networks[d].IsQuantized ? (d, 0) : (0, d);
                throw Refused(0, d, $"network {Name(quantized)} is quantized, and network {Name(other)} is not");
            }
            var aligned = MergedRanges.Align(networks[d].Graph, networks[0].Graph);
            if (networks[0].Graph.FirstDifference(aligned) is { } difference)
                throw Refused(0, d, $"their graphs differ. {difference.TrimEnd('.')}{QuantizationHint(d)}");
        }
        if (!options.AllowDifferentSources)
            CheckSources();
        return ClassNameList.Common(networks, Name);

        void CheckSources()
        {
            var known = Enumerable.Range(0, networks.Count)
                .Where(d => networks[d].Metadata.ContainsKey(NetworkMetadata.Source))
                .ToList();
            if (known.Find(d => Source(d) != Source(known[0])) is > 0 and var other)
            {
                throw Refused(known[0], other,
                    $"they record different sources ('{NetworkMetadata.Source}' is {Source(known[0])} of "
                    + $"{Name(known[0])} and {Source(other)} of {Name(other)}), which networks must have in common "
                    + $"to merge well; set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowDifferentSources)} "
                    + "to merge them anyway");
            }
        }

        string QuantizationHint(int d)
        {
            var (one, other) = (UsualBits(networks[0]), UsualBits(networks[d]));
            if (one != other)
            {
                return $". Most weights and activations have {one.Weight} and {one.Activation} bits in network {Name(0)}, "
                    + $"and {other.Weight} and {other.Activation} in network {Name(d)}; quantize all to the same bits";
            }
            var isReduced = HasReducedRange(networks[d]);
            return isReduced == HasReducedRange(networks[0]) ? ""
                : $". Weights of 8 bits have the integers -64 to 64 in network {Name(isReduced ? d : 0)} only; "
                    + "quantize both with the same ReduceRange, or the one of an earlier version, which left first and last "
                    + "layers at -128 to 127, again";
        }

        static (int? Weight, int? Activation) UsualBits(INetworkContent network) => network.Graph.Layers.All
            .GroupBy(layer => (layer.WeightBits, layer.ActivationBits))
            .MaxBy(layers => layers.Count())?.Key ?? default;

        string Source(int d) => networks[d].Metadata[NetworkMetadata.Source];

        string Name(int d) => columns is null ? $"{d}" : $"'{columns[d]}'";

        ArgumentException Refused(int first, int second, string reason) =>
            new($"Networks {Name(first)} and {Name(second)} cannot be merged, because {reason}.", nameof(networks));
    }

    /// <summary>Checks files before one is read.</summary>
    /// <exception cref="ArgumentException">They are too few, or not as many as the options' weights.</exception>
    /// <exception cref="FileNotFoundException">One is not there.</exception>
    internal static void CheckFiles(IReadOnlyList<string> files, MergeOptions options)
    {
        ArgumentNullException.ThrowIfNull(files);
        CheckCount(files.Count, nameof(files));
        _ = options.Shares(files.Count);
        foreach (var file in files)
        {
            ArgumentException.ThrowIfNullOrEmpty(file, nameof(files));
            if (!File.Exists(file))
                throw new FileNotFoundException($"There is no file '{file}'.", file);
        }
    }

    private static void CheckCount(int count, string argument)
    {
        if (count < 2)
            throw new ArgumentException($"Merging needs at least two networks; there are {count}.", argument);
    }

    private static bool HasReducedRange(INetworkContent network) => network.Graph.Layers.Quantizers.Any(
        quantizer => quantizer.IsWeight && quantizer.Operator.Range == QuantizationRange.Reduced);
}
