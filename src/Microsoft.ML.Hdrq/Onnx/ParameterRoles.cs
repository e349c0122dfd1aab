using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Decides what a tensor of a file is to training. ONNX does not say: the layers that read a tensor do, and whether the file holds it
/// as an initializer (as exporters hold weights, and as this library writes them) or as a Constant node (as they hold everything else).
/// </summary>
internal sealed class ParameterRoles
{
    private readonly Dictionary<string, List<(OperatorDefinition Definition, int Input)>> _readers = new(StringComparer.Ordinal);
    private readonly OnnxTensorPool _tensors;

    public ParameterRoles(IEnumerable<GraphNode> nodes, OnnxTensorPool tensors)
    {
        _tensors = tensors;
        var aliases = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            // Exporters write tensors that two layers share once, and Identity nodes for the other layers.
            if (node.Operator.Type == "Identity" && node.Inputs.Length == 1 && Root(node.Inputs[0]) is { } shared)
            {
                aliases.Add(node.Outputs[0], shared);
                continue;
            }
            for (var i = 0; i < node.Inputs.Length; i++)
            {
                if (Root(node.Inputs[i]) is not { } name)
                    continue;
                if (!_readers.TryGetValue(name, out var readers))
                    _readers.Add(name, readers = []);
                readers.Add((node.Operator.Definition, i));
            }
        }

        string? Root(string name) => tensors.Contains(name) ? name : aliases.GetValueOrDefault(name);
    }

    public ParameterRole this[string name]
    {
        get
        {
            var tensor = _tensors[name];
            if (!tensor.ElementType.IsFloat() || !_readers.TryGetValue(name, out var readers))
                return ParameterRole.Constant;
            if (readers.All(reader => reader.Definition.StatisticInputs.Contains(reader.Input)))
                return ParameterRole.Statistic;
            if (readers.Any(reader => reader.Definition.WeightInputs.Contains(reader.Input)))
                return ParameterRole.Weight;
            // A bias that is added, a class token, a table of positions: but no exponent, no divisor, no bound, no scale of a resize.
            var isSingle = TensorShape.ElementCount(tensor.Shape) == 1;
            return !_tensors.IsConstant(name) && !isSingle && readers.Any(reader => !reader.Definition.SteeringInputs.Contains(reader.Input))
                ? ParameterRole.Weight
                : ParameterRole.Constant;
        }
    }
}
