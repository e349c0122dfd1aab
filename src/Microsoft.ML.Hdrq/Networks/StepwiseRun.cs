using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Computes values inside a network for the same images, one set of values after another, and each from those that were
/// computed before: a value is kept as long as a node that is still to come reads it. Where that would take too much
/// memory, values are computed from the images again.
/// </summary>
internal sealed class StepwiseRun : IDisposable
{
    private readonly torch.Tensor _images;
    private readonly long _budget;
    private readonly (long Start, long Count)[] _batches;
    private readonly Kept?[] _kept;
    private readonly Dictionary<string, int> _places;
    private long _used;

    /// <summary>Prepares a run.</summary>
    /// <param name="network">
    /// The network, with one input. Its parameters may change between two sets of values, if <see cref="Changed"/> is
    /// told.
    /// </param>
    /// <param name="images">The images, [images, ...], on any device.</param>
    /// <param name="batchSize">The number of images in a batch, where the network takes any number.</param>
    /// <param name="budget">The most bytes of values that are kept.</param>
    public StepwiseRun(Network network, torch.Tensor images, int batchSize, long budget)
    {
        (Network, _images, _budget) = (network, images, budget);
        _batches = [.. NetworkBatches.Of(network.Graph, images.shape[0], batchSize)];
        _kept = new Kept?[_batches.Length];
        _places = network.Graph.Nodes
            .SelectMany((node, place) => node.Outputs.Where(output => output.Length > 0).Select(name => (name, place)))
            .ToDictionary(pair => pair.name, pair => pair.place, StringComparer.Ordinal);
    }

    public Network Network { get; }

    /// <summary>The number of images.</summary>
    public long Images => _images.shape[0];

    /// <summary>The number of batches.</summary>
    public int Batches => _batches.Length;

    /// <summary>Computes values of a batch.</summary>
    /// <param name="batch">The index of the batch.</param>
    /// <param name="names">The names of the values.</param>
    /// <returns>The values by name, which are the caller's.</returns>
    public IReadOnlyDictionary<string, torch.Tensor> Values(int batch, IReadOnlyCollection<string> names)
    {
        using var noGradients = torch.no_grad();
        var (start, count) = _batches[batch];
        var isNew = _kept[batch] is null;
        var kept = _kept[batch] ?? new();
        _kept[batch] = null;
        _used -= kept.Size;
        try
        {
            if (isNew)
            {
                kept.Values.Add(
                    Network.Graph.Inputs[0].Name,
                    _images.narrow(0, start, count).to(Network.Device).alias().DetachFromDisposeScope());
            }
            var context = new ComputeContext(ForwardMode.Inference, Network.Device);
            context.Limit(Network.MaxValueSize, count);
            foreach (var place in Needed(kept, names))
                Compute(place, kept, context);
            var values = names.Distinct(StringComparer.Ordinal).ToDictionary(
                name => name, name => kept.Values[name].alias(), StringComparer.Ordinal);
            Forget(kept);
            if (_used + kept.Size <= _budget)
            {
                _used += kept.Size;
                _kept[batch] = kept;
            }
            return values;
        }
        finally
        {
            if (_kept[batch] is null)
                kept.Dispose();
        }
    }

    /// <summary>Parameters have changed: what was computed by them is computed again.</summary>
    public void Changed(IReadOnlySet<string> parameters)
    {
        for (var batch = 0; batch < _kept.Length; batch++)
        {
            if (_kept[batch] is { } kept
                && kept.Nodes.Any(place => Network.Graph.Nodes[place].Inputs.Any(parameters.Contains)))
            {
                _used -= kept.Size;
                _kept[batch] = null;
                kept.Dispose();
            }
        }
    }

    public void Dispose()
    {
        foreach (var kept in _kept)
            kept?.Dispose();
    }

    /// <summary>The nodes that are still to be computed for some values, in order.</summary>
    private SortedSet<int> Needed(Kept kept, IEnumerable<string> names)
    {
        var needed = new SortedSet<int>();
        var wanted = new Stack<string>(names);
        while (wanted.TryPop(out var name))
        {
            if (kept.Values.ContainsKey(name) || !_places.TryGetValue(name, out var place) || !needed.Add(place))
                continue;
            foreach (var input in Network.Graph.Nodes[place].Inputs)
                wanted.Push(input);
        }
        return needed;
    }

    private void Compute(int place, Kept kept, ComputeContext context)
    {
        using var scope = torch.NewDisposeScope();
        var node = Network.Graph.Nodes[place];
        var inputs = node.Inputs
            .Select(name => name.Length == 0 ? null : kept.Values.GetValueOrDefault(name) ?? Network.Parameters[name])
            .ToArray();
        var outputs = Networks.Network.Compute(node, inputs, context);
        for (var i = 0; i < node.Outputs.Length; i++)
        {
            if (node.Outputs[i].Length > 0)
                kept.Values.Add(node.Outputs[i], outputs[i].DetachFromDisposeScope());
        }
        kept.Nodes.Add(place);
    }

    /// <summary>Frees the values that no node reads that is still to be computed.</summary>
    private void Forget(Kept kept)
    {
        var read = Network.Graph.Nodes
            .Where((_, place) => !kept.Nodes.Contains(place))
            .SelectMany(node => node.Inputs)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var (name, value) in kept.Values.Where(pair => !read.Contains(pair.Key)).ToList())
        {
            value.Dispose();
            kept.Values.Remove(name);
        }
        kept.Size = kept.Values.Values.Sum(value => value.numel() * value.element_size());
    }

    /// <summary>What is known of a batch.</summary>
    private sealed class Kept : IDisposable
    {
        /// <summary>The values that are kept.</summary>
        public Dictionary<string, torch.Tensor> Values { get; } = new(StringComparer.Ordinal);

        /// <summary>The places of the nodes that were computed.</summary>
        public HashSet<int> Nodes { get; } = [];

        /// <summary>The bytes of the values.</summary>
        public long Size { get; set; }

        public void Dispose()
        {
            foreach (var value in Values.Values)
                value.Dispose();
        }
    }
}
