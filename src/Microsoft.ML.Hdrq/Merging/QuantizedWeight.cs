using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A parameter that goes through a quantizer.</summary>
/// <param name="Weight">The parameter's name.</param>
/// <param name="Scale">The name of its scale or scales.</param>
/// <param name="Range">The range of the integers.</param>
/// <param name="Axis">The axis of the output channels, and of the scales where there are several.</param>
internal sealed record QuantizedWeight(string Weight, string Scale, QuantizationRange Range, int Axis)
{
    /// <summary>
    /// Reorders values of the weight to output channels first: exchanges the first axis and <see cref="Axis"/>, as
    /// rounding needs it.
    /// </summary>
    /// <param name="values">The values, in the weight's own row-major order.</param>
    /// <param name="shape">The weight's own shape.</param>
    public double[] OutputsFirst(double[] values, ReadOnlySpan<long> shape)
    {
        if (Axis == 0)
            return values;
        // Exchanges the axes of [first, between, second, after].
        var (first, second) = ((int)shape[0], (int)shape[Axis]);
        var between = (int)(TensorShape.ElementCount(shape[1..Axis]) ?? 1);
        var after = (int)(TensorShape.ElementCount(shape[(Axis + 1)..]) ?? 1);
        var exchanged = new double[values.Length];
        for (var i = 0; i < first; i++)
        {
            for (var j = 0; j < between; j++)
            {
                for (var k = 0; k < second; k++)
                {
                    var (from, to) = ((i * between + j) * second + k, (k * between + j) * first + i);
                    Array.Copy(values, from * after, exchanged, to * after, after);
                }
            }
        }
        return exchanged;
    }

    /// <summary>Finds the quantized weights of a graph.</summary>
    /// <exception cref="NotSupportedException">
    /// A weight goes through several quantizers that differ, or is held as integers that do not belong to a quantizer.
    /// </exception>
    public static IReadOnlyDictionary<string, QuantizedWeight> Find(Graph graph)
    {
        var parameters = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        if (graph.Nodes.FirstOrDefault(node => node.Operator is DequantizeLinear && parameters.ContainsKey(node.Inputs[0]))
            is { } integers)
        {
            throw new NotSupportedException(
                $"Node {integers} holds '{integers.Inputs[0]}' as integers with zero points that differ between channels, "
                + "scales of blocks, or more than 8 bits; such networks cannot be merged.");
        }
        var layers = graph.Layers.All.ToLookup(layer => layer.WeightInput, StringComparer.Ordinal);
        var found = new Dictionary<string, QuantizedWeight>(StringComparer.Ordinal);
        foreach (var quantizer in graph.Layers.Quantizers.Where(quantizer => quantizer.IsWeight))
        {
            var shape = parameters[quantizer.Value].Shape;
            var axis = quantizer.Operator.Axis ?? layers[quantizer.Output].FirstOrDefault()?.OutputAxis ?? 0;
            var entry = new QuantizedWeight(
                quantizer.Value, quantizer.Scale, quantizer.Operator.Range,
                shape.IsEmpty ? 0 : HostValues.Axis(axis, shape.Length));
            if (!found.TryAdd(quantizer.Value, entry) && found[quantizer.Value] != entry)
            {
                throw new NotSupportedException(
                    $"Weight '{quantizer.Value}' goes through two quantizers that differ; "
                    + "such networks cannot be merged.");
            }
        }
        return found;
    }
}
