using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What one network contributes: of a quantized weight its integers, of everything else the numbers. Sources have an order that depends on nothing but these
/// and lambda, so that sums, and with them merged networks, do not depend on the order in which the networks are given.
/// </summary>
internal sealed class MergeSource : IComparable<MergeSource>
{
    private readonly Network _network;
    private readonly IReadOnlyDictionary<string, QuantizedWeight> _quantized;
    private readonly Dictionary<string, double[]> _values = new(StringComparer.Ordinal);

    public MergeSource(Network network, IReadOnlyDictionary<string, QuantizedWeight> quantized, double lambda, string name)
    {
        _network = network;
        _quantized = quantized;
        Lambda = lambda;
        Name = name;
    }

    public double Lambda { get; }

    public string Name { get; }

    /// <summary>Whether a parameter must be equal in all networks, and not a number that has a mean.</summary>
    public static bool IsConstant(ParameterDefinition definition) => definition.Role == ParameterRole.Constant || !definition.ElementType.IsFloat();

    /// <summary>A constant's elements.</summary>
    public TensorData Constant(ParameterDefinition definition) => TensorData.FromTorch(_network.Parameters[definition.Name], definition.ElementType);

    /// <summary>The numbers of a parameter, row-major; integers where it is a quantized weight.</summary>
    /// <exception cref="ArgumentException">One is not finite, or a scale is not positive.</exception>
    public double[] Values(string parameter)
    {
        if (_values.TryGetValue(parameter, out var known))
            return known;
        using var scope = torch.NewDisposeScope();
        var tensor = _network.Parameters[parameter].detach();
        if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>())
            throw new ArgumentException($"Parameter '{parameter}' of {Name} holds a number that is not finite.");
        if (_quantized.TryGetValue(parameter, out var quantized))
        {
            var scale = _network.Parameters[quantized.Scale].detach();
            if (!scale.gt(0).all().item<bool>())
                throw new ArgumentException($"Scale '{quantized.Scale}' of {Name} is not positive.");
            if (scale.numel() > 1)
            {
                var shape = Enumerable.Repeat(1L, (int)tensor.dim()).ToArray();
                shape[quantized.Axis] = scale.numel();
                scale = scale.reshape(shape);
            }
            // As the network itself rounds, in its own precision: a weight saved as an integer is this integer.
            tensor = tensor.div(scale).round().clamp(quantized.Range.Minimum, quantized.Range.Maximum).transpose(0, quantized.Axis);
        }
        return _values[parameter] = tensor.to(torch.ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
    }

    public int CompareTo(MergeSource? other)
    {
        if (other is null)
            return 1;
        var order = other.Lambda.CompareTo(Lambda);
        foreach (var parameter in _network.Graph.Parameters)
        {
            if (order != 0)
                break;
            if (!IsConstant(parameter))
                order = Values(parameter.Name).AsSpan().SequenceCompareTo(other.Values(parameter.Name));
        }
        return order;
    }
}
