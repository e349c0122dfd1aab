using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A parameter that goes through a quantizer.</summary>
/// <param name="Weight">The parameter's name.</param>
/// <param name="Scale">The name of its scale or scales.</param>
/// <param name="Range">The integers.</param>
/// <param name="Axis">The axis of the output channels, which is also that of the scales where there are several.</param>
internal sealed record QuantizedWeight(string Weight, string Scale, QuantizationRange Range, int Axis)
{
    /// <summary>Finds the quantized weights of a graph.</summary>
    /// <exception cref="NotSupportedException">A weight goes through several quantizers that differ, or is held as integers that are no quantizer's.</exception>
    public static IReadOnlyDictionary<string, QuantizedWeight> Find(Graph graph)
    {
        var parameters = graph.Parameters.Where(parameter => parameter.ElementType.IsFloat()).ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        var layers = graph.Layers;
        var found = new Dictionary<string, QuantizedWeight>(StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (node.Operator is DequantizeLinear && graph.Parameters.Any(parameter => parameter.Name == node.Inputs[0]))
                throw new NotSupportedException($"Node {node} holds '{node.Inputs[0]}' as integers with zero points that differ between channels, scales of blocks, or more than 8 bits; such networks cannot be merged.");
            if (node.Operator is not FakeQuantize quantizer || !parameters.TryGetValue(node.Inputs[0], out var weight) || !parameters.ContainsKey(node.Inputs[1]))
                continue;
            var axis = quantizer.Axis ?? layers.All.FirstOrDefault(layer => layer.WeightInput == node.Outputs[0])?.OutputAxis ?? 0;
            var entry = new QuantizedWeight(weight.Name, node.Inputs[1], quantizer.Range, weight.Shape.IsEmpty ? 0 : HostValues.Axis(axis, weight.Shape.Length));
            if (!found.TryAdd(weight.Name, entry) && found[weight.Name] != entry)
                throw new NotSupportedException($"Weight '{weight.Name}' goes through two quantizers that differ; such networks cannot be merged.");
        }
        return found;
    }
}
