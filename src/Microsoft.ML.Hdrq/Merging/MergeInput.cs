using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>One of the merged networks, as a <see cref="MergeMethod"/> sees it.</summary>
public sealed class MergeInput
{
    private readonly MergeSource _source;

    internal MergeInput(MergeSource source)
    {
        _source = source;
        Parameters = WeightsOf(source.Graph);
    }

    /// <summary>
    /// The name in messages: <c>network</c> and its zero-based index in the order in which the networks were given.
    /// </summary>
    public string Name => _source.Name;

    /// <summary>Its share lambda, from 0 to 1; the shares of all networks sum to 1.</summary>
    public double Share => _source.Lambda;

    /// <summary>The graph of the network.</summary>
    internal Graph Graph => _source.Graph;

    /// <summary>The network's contribution.</summary>
    internal MergeSource Source => _source;

    /// <summary>The metadata of the network, see <see cref="Network.Metadata"/>.</summary>
    public ImmutableSortedDictionary<string, string> Metadata => _source.Metadata;

    /// <summary>
    /// The weights and biases, which a method merges, in the graph's order: all parameters except constants, statistics
    /// of normalizations and scales of quantizers. They are the same for all networks of a merge.
    /// </summary>
    public ImmutableArray<ParameterDefinition> Parameters { get; }

    /// <summary>
    /// Gets the values of a parameter, in its own row-major order. Quantized weights are dequantized: their values are
    /// <c>q s</c>.
    /// </summary>
    /// <param name="parameter">One of <see cref="Parameters"/>, or a statistic or scale.</param>
    /// <returns>A finite value for each element of the parameter.</returns>
    /// <exception cref="ArgumentException">The graph has no such parameter, or it is a constant.</exception>
    public ImmutableArray<double> Values(ParameterDefinition parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (!_source.Has(parameter.Name))
        {
            throw new ArgumentException(
                $"The networks that are merged have no weight, bias, statistic or scale '{parameter.Name}'.",
                nameof(parameter));
        }
        // Not copied: the arrays of a source are never changed.
        return ImmutableCollectionsMarshal.AsImmutableArray(_source.Exact(parameter.Name));
    }

    /// <summary>The weights and biases of a graph, see <see cref="Parameters"/>.</summary>
    internal static ImmutableArray<ParameterDefinition> WeightsOf(Graph graph)
    {
        var scales = graph.Layers.Scales;
        return
        [
            .. graph.Parameters.Where(definition => !MergeSource.IsConstant(definition)
                && definition.Role != ParameterRole.Statistic
                && !scales.Contains(definition.Name)),
        ];
    }
}
