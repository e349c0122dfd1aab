using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges networks with equal graphs into one network, without data and without training, by
/// <see cref="MergeOptions.Method"/>: by default RegMean where all networks carry Gram matrices of their layers'
/// inputs, otherwise <c>W = sum lambda_d W_d</c>.
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
        if (string.IsNullOrEmpty(options.Method.Name))
        {
            throw new ArgumentException(
                $"The merge method {options.Method.GetType().Name} has no name; merged networks record it.",
                nameof(options));
        }
        var names = Check(networks, options);
        using var uses = Network.UseAll(networks);
        var lambdas = options.Shares(networks.Count);
        using var modes = new TorchModes();
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var sources = networks.Select((network, d) => new MergeSource(network, lambdas[d], $"network {d}"))
            .Order()
            .ToArray();
        var graph = MergedRanges.Merge(sources);
        var inputs = sources.Select(source => new MergeInput(source)).ToArray();
        var method = options.Method.For(inputs);
        var merged = ParameterMerge.All(graph, sources, inputs, method);
        // A bias that all networks hold as integers becomes integers again.
        var integerBiases = IntegerBias.Find(graph)
            .Where(bias => networks.All(network => bias.Integers(network.Parameters) is not null));
        foreach (var bias in integerBiases)
            bias.Round(merged);
        var hashes = sources.Select(source => source.Hash);
        var weights = sources.Select(source => source.Lambda.ToString(CultureInfo.InvariantCulture));
        var result = new Network(graph, merged, networks[0].Device)
        {
            MaxValueSize = networks.Max(network => network.MaxValueSize),
            Metadata = OutputStatistics.Merge(
                InputGrams.Without(NetworkMetadata.Common(networks)),
                [.. sources.Select(source => (source.Metadata, source.Lambda))]).With(
                (NetworkMetadata.MergeMethod, method.Name),
                (NetworkMetadata.Merged, string.Join(' ', hashes)),
                (NetworkMetadata.MergeWeights, string.Join(' ', weights))),
        };
        try
        {
            FiniteCheck.Parameters(result, "the merged network");
        }
        catch
        {
            result.Dispose();
            throw;
        }
        // A network without names does not contradict the others.
        if (names is not null)
            result.NameClasses(names);
        return result;
    }

    /// <summary>Checks that networks can be merged, as far as their values do not matter.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="options">The options.</param>
    /// <param name="columns">The score columns of the networks, for messages; null to number the networks.</param>
    /// <returns>The names of their classes; null if no network has any.</returns>
    /// <exception cref="ArgumentException">They cannot; the message names the first difference.</exception>
    internal static IReadOnlyList<string>? Check(
        IReadOnlyList<Network> networks, MergeOptions options, IReadOnlyList<string>? columns = null)
    {
        if (networks.Count < 2)
        {
            throw new ArgumentException(
                $"Merging needs at least two networks; there are {networks.Count}.", nameof(networks));
        }
        for (var d = 0; d < networks.Count; d++)
        {
            if (networks[d] is null)
                throw new ArgumentException($"Network {Name(d)} is null.", nameof(networks));
            var isQuantized = IsQuantized(networks[d]);
            if (isQuantized != IsQuantized(networks[0]))
            {
                var (quantized, other) = isQuantized ? (d, 0) : (0, d);
                throw Refused(0, d, $"network {Name(quantized)} is quantized, and network {Name(other)} is not");
            }
            var aligned = MergedRanges.Align(networks[d].Graph, networks[0].Graph);
            if (networks[0].Graph.FirstDifference(aligned) is { } difference)
                throw Refused(0, d, $"their graphs differ. {difference.TrimEnd('.')}");
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

        string Source(int d) => networks[d].Metadata[NetworkMetadata.Source];

        string Name(int d) => columns is null ? $"{d}" : $"'{columns[d]}'";

        ArgumentException Refused(int first, int second, string reason) =>
            new($"Networks {Name(first)} and {Name(second)} cannot be merged, because {reason}.", nameof(networks));
    }

    private static bool IsQuantized(Network network) => !network.Graph.Layers.Quantizers.IsEmpty;
}
