using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>One merge, from its networks to the merged one.</summary>
internal sealed class MergeWork : IDisposable
{
    /// <summary>The most bytes of values between layers that a second round keeps, of all networks together.</summary>
    private const long KeptBytes = 2L << 30;

    private readonly IReadOnlyList<INetworkContent> _networks;
    private readonly MergeOptions _options;
    private readonly IReadOnlyList<string>? _classNames;
    private readonly MergeSource[] _sources;
    private readonly MergeInput[] _inputs;
    private readonly MergeMethod _method;
    private readonly Stack<IDisposable> _scopes = new();
    private string _name;
    private string? _step;
    private bool _keepsMoments;

    /// <summary>Checks and reads the networks.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="options">The options.</param>
    public MergeWork(IReadOnlyList<INetworkContent> networks, MergeOptions options)
    {
        if (string.IsNullOrEmpty(options.Method.Name))
        {
            throw new ArgumentException(
                $"The merge method {options.Method.GetType().Name} has no name; merged networks record it.",
                nameof(options));
        }
        (_networks, _options, _keepsMoments) = (networks, options, options.KeepMoments);
        _classNames = NetworkMerger.Check(networks, options);
        for (var d = 0; d < networks.Count && _keepsMoments; d++)
        {
            if (!InputGrams.AreIn(networks[d].Metadata))
                throw new ArgumentException($"Moments are to be kept, and network {d} carries none.", nameof(networks));
        }
        var lambdas = options.Shares(networks.Count);
        try
        {
            _scopes.Push(Network.UseAll(networks.OfType<Network>()));
            _scopes.Push(new TorchModes());
            _scopes.Push(torch.no_grad());
            _scopes.Push(torch.NewDisposeScope());
            _sources = [.. networks.Select((network, d) => new MergeSource(network, lambdas[d], d)).Order()];
            _inputs = [.. _sources.Select(source => new MergeInput(source))];
            _method = options.Method.For(_inputs);
            _name = _method.Name;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Merges by the method.</summary>
    /// <param name="done">Told the name of each parameter that is merged; it may cancel.</param>
    public Network Draft(Action<string>? done = null)
    {
        var graph = MergedRanges.Merge(_sources);
        var merged = ParameterMerge.All(graph, _sources, _inputs, _method, done);
        // A bias that all networks hold as integers becomes integers again.
        var integerBiases = IntegerBias.Find(graph)
            .Where(bias => _networks.All(network => AreIntegers(bias, network)));
        foreach (var bias in integerBiases)
            bias.Round(merged);
        return new Network(graph, merged, _networks[0].Device)
        {
            MaxValueSize = _networks.Max(network => network.MaxValueSize),
        };
    }

    /// <summary>Merges by the method, and improves the result on images.</summary>
    /// <param name="networks">The networks, in memory, in the order in which they were given.</param>
    /// <param name="images">Images of each network's place, in the same order.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="progress">Told of each step of the second round.</param>
    /// <param name="cancellationToken">Cancels between two batches.</param>
    public Network Refined(
        IReadOnlyList<Network> networks, IReadOnlyList<torch.Tensor> images, int seed,
        IProgress<MergeProgress>? progress, CancellationToken cancellationToken)
    {
        var draft = Draft();
        try
        {
            if (_options.Refinement == MergeRefinement.None)
                return draft;
            // All on one device, in an order that does not depend on that of the networks.
            var sites = _sources
                .Select(source => (Network: On(draft.Device, networks[source.Index]), Images: images[source.Index]))
                .ToArray();
            try
            {
                MergeLayersAgain(draft, sites, progress, cancellationToken);
                if (_options.Refinement == MergeRefinement.SecondRound)
                    return draft;
                _name += Distillation.Suffix;
                using var gradients = torch.enable_grad();
                var distilled = Distillation.Train(draft, sites, _options.Distillation, seed, cancellationToken);
                draft.Dispose();
                return distilled;
            }
            finally
            {
                foreach (var (network, _) in sites.Where(site => !networks.Contains(site.Network)))
                    network.Dispose();
            }
        }
        catch
        {
            draft.Dispose();
            throw;
        }
    }

    /// <summary>Merges the next layers of a draft again.</summary>
    /// <param name="draft">The draft; not changed.</param>
    /// <param name="moments">What each network's place has measured in the draft, in any order.</param>
    public Network Again(Network draft, IReadOnlyList<MergeMoments> moments)
    {
        var (steps, step) = (SecondRound.Steps(draft.Graph), MergeMoments.StepOf(draft));
        var hash = draft.ParametersSha256();
        if (step >= steps.Count)
            throw new ArgumentException("All layers of the draft are merged again already.", nameof(draft));
        // With other weights the networks may stand in another order.
        if (!Hashes.Split(' ').ToHashSet(StringComparer.Ordinal).SetEquals(
            draft.Metadata.GetValueOrDefault(NetworkMetadata.Merged, "").Split(' ')))
            throw new ArgumentException("The draft was not merged from these networks.", nameof(draft));
        if (draft.Metadata[NetworkMetadata.Merged] != Hashes
            || draft.Metadata.GetValueOrDefault(NetworkMetadata.MergeWeights) != Weights)
        {
            throw new ArgumentException(
                "The draft was merged from these networks with other weights; each step takes those of the first.",
                nameof(draft));
        }
        var measured = _sources.Select(source => moments.Where(one => one.Network == source.Hash).ToList() is [var own]
            ? own : throw new ArgumentException(
                $"Moments of each network are needed once, and those of {source.Name} are given "
                + $"{moments.Count(one => one.Network == source.Hash)} times.", nameof(moments))).ToList();
        if (moments.FirstOrDefault(one => one.Draft != hash || one.Step != step) is { } other)
        {
            throw new ArgumentException(
                $"Moments of step {other.Step + 1} were measured in another draft than this one, which is at step "
                + $"{step + 1} of {steps.Count}.", nameof(moments));
        }
        var places = MergeMoments.Places(draft.Graph);
        var merged = draft.Clone();
        try
        {
            var first = steps[0][0];
            CheckPlaces(first, [.. measured.Select(site => site.Layers[places[first.Weight]])]);
            new SecondRound(merged, _sources).Merge(steps[step], [.. measured.Select(site => steps[step]
                .ToDictionary(layer => layer.Weight, layer => site.Layers[places[layer.Weight]]))]);
            _name = draft.Metadata[NetworkMetadata.MergeMethod];
            _keepsMoments |= InputGrams.AreKept(draft.Metadata);
            if (step + 1 == steps.Count)
                _name += SecondRound.Suffix;
            else
                _step = $"{step + 1} of {steps.Count}";
            return merged;
        }
        catch
        {
            merged.Dispose();
            throw;
        }
    }

    /// <summary>Says in a merged network's metadata what it is.</summary>
    /// <param name="merged">The network; disposed where something is wrong with it.</param>
    public Network Finish(Network merged)
    {
        try
        {
            // What drafts say of the networks that they were merged from is not true of the drafts themselves.
            var common = InputGrams.WithoutKept(InputGrams.Without(NetworkMetadata.Common(_networks)))
                .Remove(NetworkMetadata.Distilled);
            merged.Metadata = OutputStatistics.Merge(
                common,
                [.. _sources.Select(source => (source.Metadata, source.Lambda))]).With(
                (NetworkMetadata.MergeMethod, _name),
                (NetworkMetadata.Merged, Hashes),
                (NetworkMetadata.MergeWeights, Weights));
            merged.Metadata = _step is { } step
                ? merged.Metadata.With((NetworkMetadata.MergeStep, step))
                : merged.Metadata.Remove(NetworkMetadata.MergeStep);
            if (_keepsMoments)
            {
                merged.Metadata = _sources.Index().Aggregate(
                    merged.Metadata,
                    (metadata, source) => InputGrams.Keep(metadata, source.Index, source.Item.Metadata));
            }
            FiniteCheck.Parameters(merged, "the merged network");
            // A network without names does not contradict the others.
            if (_classNames is not null)
                merged.NameClasses(_classNames);
            return merged;
        }
        catch
        {
            merged.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        while (_scopes.TryPop(out var scope))
            scope.Dispose();
    }

    private static bool AreIntegers(IntegerBias bias, INetworkContent network)
    {
        using var scope = torch.NewDisposeScope();
        return bias.Integers(network.Parameters) is not null;
    }

    private static Network On(torch.Device device, Network network) =>
        network.Device.ToString() == device.ToString() ? network : network.To(device);

    private void CheckPlaces(Layer first, IReadOnlyList<LayerMoments> moments)
    {
        if (!_options.AllowOtherImages)
            PlaceCheck.Check(first, _sources, moments);
    }

    private string Hashes => string.Join(' ', _sources.Select(source => source.Hash));

    private string Weights =>
        string.Join(' ', _sources.Select(source => source.Lambda.ToString(CultureInfo.InvariantCulture)));

    private void MergeLayersAgain(
        Network draft, (Network Network, torch.Tensor Images)[] sites,
        IProgress<MergeProgress>? progress, CancellationToken cancellationToken)
    {
        var round = new SecondRound(draft, _sources);
        var steps = SecondRound.Steps(draft.Graph);
        var runs = new Stack<(StepwiseRun Merged, StepwiseRun Own)>();
        try
        {
            foreach (var (network, images) in sites)
            {
                runs.Push((
                    LayerMoments.Run(draft, images, KeptBytes / sites.Length / 2),
                    LayerMoments.Run(network, images, KeptBytes / sites.Length / 2)));
            }
            for (var n = 0; n < steps.Count; n++)
            {
                using var scope = torch.NewDisposeScope();
                var moments = runs.Reverse()
                    .Select(run => LayerMoments.Measure(run.Merged, run.Own, steps[n], cancellationToken))
                    .ToList();
                if (n == 0)
                    CheckPlaces(steps[0][0], [.. moments.Select(site => site[steps[0][0].Weight])]);
                var changed = round.Merge(steps[n], moments);
                foreach (var (merged, _) in runs)
                    merged.Changed(changed);
                progress?.Report(new(n + 1, steps.Count, steps[n][^1].Name));
            }
        }
        finally
        {
            foreach (var (merged, own) in runs)
            {
                merged.Dispose();
                own.Dispose();
            }
        }
        _name += SecondRound.Suffix;
    }
}
