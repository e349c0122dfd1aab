using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// The contribution of one network: the integers of quantized weights, and the values of everything else. The order of
/// sources depends only on these values and on lambda, so that sums, and with them merged networks, do not depend on
/// the order in which the networks are given.
/// </summary>
internal sealed class MergeSource : IComparable<MergeSource>
{
    /// <summary>
    /// The most elements of parameters that are kept once they are read. Larger ones are read again, so that never
    /// those of all layers of all networks are in memory.
    /// </summary>
    private const int KeptElements = 1 << 14;

    private readonly INetworkContent _network;
    private readonly IReadOnlyDictionary<string, QuantizedWeight> _quantized;
    private readonly SortedDictionary<string, ParameterDefinition> _definitions = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Parameter, bool IsExact), double[]> _kept = [];
    private (Graph Graph, ILookup<string, string> Names)? _constants;

    /// <summary>Looks at a network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="lambda">The network's weight.</param>
    /// <param name="index">The network's place among those that were given.</param>
    /// <exception cref="ArgumentException">A value is not finite, or a scale is not positive.</exception>
    /// <exception cref="NotSupportedException">
    /// A weight goes through several quantizers that differ, or is held as integers that do not belong to a quantizer.
    /// </exception>
    public MergeSource(INetworkContent network, double lambda, int index)
    {
        _quantized = QuantizedWeight.Find(network.Graph);
        (_network, Lambda, Index) = (network, lambda, index);
        var scales = network.Graph.Layers.Scales;
        foreach (var definition in network.Graph.Parameters.Where(definition => definition.ElementType.IsFloat()))
            Check(definition.Name, scales.Contains(definition.Name));
        foreach (var definition in network.Graph.Parameters.Where(definition => !IsConstant(definition)))
            _definitions.Add(definition.Name, definition);
    }

    public double Lambda { get; }

    /// <summary>The network's place among those that were given.</summary>
    public int Index { get; }

    /// <summary>The network's name in messages.</summary>
    public string Name => $"network {Index}";

    public Graph Graph => _network.Graph;

    /// <summary>A hash that identifies the network to those who have it.</summary>
    public string Hash => field ??= ParameterHash.Of(_network);

    /// <summary>Whether a parameter must be equal in all networks, because its elements have no mean.</summary>
    public static bool IsConstant(ParameterDefinition definition) =>
        definition.Role == ParameterRole.Constant || !definition.ElementType.IsFloat();

    /// <summary>
    /// Gets the tensors that this network reads in place of a constant of an equal graph, under any names.
    /// </summary>
    public IEnumerable<TensorData> Constants(ParameterDefinition definition, Graph graph)
    {
        if (_constants is not var (known, pairs) || !ReferenceEquals(known, graph))
        {
            pairs = GraphComparison.ConstantPairs(graph, Graph)
                .ToLookup(pair => pair.A, pair => pair.B, StringComparer.Ordinal);
            _constants = (graph, pairs);
        }
        // A constant that no node reads has only its name, which the other networks may lack.
        var names = definition.Role == ParameterRole.Constant && pairs.Contains(definition.Name)
            ? pairs[definition.Name]
            : [definition.Name];
        return names.Where(_network.Parameters.ContainsKey).Select(name =>
        {
            using var scope = torch.NewDisposeScope();
            return TensorData.FromTorch(
                _network.Parameters[name],
                Graph.Parameters.Single(parameter => parameter.Name == name).ElementType);
        });
    }

    /// <summary>
    /// Gets the values of a parameter that is not a constant, row-major; for a quantized weight its integers, output
    /// channels first. They are not to be changed.
    /// </summary>
    public double[] Values(string parameter) =>
        Kept((parameter, false), () => Read(parameter, _quantized.GetValueOrDefault(parameter)));

    /// <summary>The metadata of the network.</summary>
    public ImmutableSortedDictionary<string, string> Metadata => _network.Metadata;

    /// <summary>Whether there is such a parameter and it is not a constant.</summary>
    public bool Has(string parameter) => _definitions.ContainsKey(parameter);

    /// <summary>
    /// Gets the values of a parameter that is not a constant, in its own row-major order; quantized weights are
    /// dequantized. They are not to be changed.
    /// </summary>
    public double[] Exact(string parameter) => _quantized.TryGetValue(parameter, out var quantized)
        ? Kept((parameter, true), () =>
        {
            using var scope = torch.NewDisposeScope();
            return HostValues.Numbers(Dequantized(quantized));
        })
        : Values(parameter);

    /// <summary>
    /// The same as a tensor, [elements], owned by the caller's scope: an array of a large parameter would wait for the
    /// garbage collector.
    /// </summary>
    public torch.Tensor ExactTensor(string parameter)
    {
        if (TensorShape.ElementCount(_definitions[parameter].Shape) <= KeptElements)
            return HostValues.Tensor(Exact(parameter));
        using var scope = torch.NewDisposeScope();
        var exact = _quantized.TryGetValue(parameter, out var quantized) ? Dequantized(quantized)
            : _network.Parameters[parameter].detach().cpu().to(torch.ScalarType.Float64);
        return exact.reshape(-1).MoveToOuterDisposeScope();
    }

    public int CompareTo(MergeSource? other)
    {
        if (other is null)
            return 1;
        var order = other.Lambda.CompareTo(Lambda);
        foreach (var parameter in _definitions.Keys)
        {
            if (order != 0)
                break;
            order = Values(parameter).AsSpan().SequenceCompareTo(other.Values(parameter));
        }
        return order;
    }

    private double[] Kept((string Parameter, bool IsExact) key, Func<double[]> read)
    {
        if (_kept.TryGetValue(key, out var values))
            return values;
        values = read();
        if (values.Length <= KeptElements)
            _kept.Add(key, values);
        return values;
    }

    private void Check(string parameter, bool isScale)
    {
        using var scope = torch.NewDisposeScope();
        var tensor = _network.Parameters[parameter].detach();
        if (!FiniteCheck.IsFinite(tensor))
            throw new ArgumentException($"Parameter '{parameter}' of {Name} holds a value that is not finite.");
        if (isScale && !tensor.gt(Scalars.Keep(0)).all().item<bool>())
            throw new ArgumentException($"Scale '{parameter}' of {Name} is not positive.");
    }

    private double[] Read(string parameter, QuantizedWeight? quantized)
    {
        using var scope = torch.NewDisposeScope();
        return HostValues.Numbers(
            quantized is null ? _network.Parameters[parameter] : Integers(quantized).Values.transpose(0, quantized.Axis));
    }

    /// <summary>A quantized weight's values, in its own order and in double precision.</summary>
    private torch.Tensor Dequantized(QuantizedWeight quantized)
    {
        var (integers, steps) = Integers(quantized);
        return integers.cpu().to(torch.ScalarType.Float64).mul(steps.cpu().to(torch.ScalarType.Float64));
    }

    /// <summary>The integers of a quantized weight, in its own order and precision, and the steps to multiply by.</summary>
    private (torch.Tensor Values, torch.Tensor Steps) Integers(QuantizedWeight quantized)
    {
        var (tensor, scale) =
            (_network.Parameters[quantized.Weight].detach(), _network.Parameters[quantized.Scale].detach());
        if (scale.numel() > 1)
            scale = scale.reshape([-1, .. Enumerable.Repeat(1L, (int)tensor.dim() - quantized.Axis - 1)]);
        // Rounds as the network itself does, in its own precision: a weight saved as an integer is this integer.
        var integers = tensor.div(scale)
            .round()
            .clamp(Scalars.Keep(quantized.Range.Minimum), Scalars.Keep(quantized.Range.Maximum));
        return (integers, scale);
    }
}
