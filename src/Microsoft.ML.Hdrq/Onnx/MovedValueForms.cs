using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Values that consist of elements of a quantized value, in files. They are quantized again with the same scale: this
/// changes nothing, but lets runtimes see that pooling and moving are done on the integers.
/// </summary>
internal static class MovedValueForms
{
    /// <summary>Writes a quantizer after a node that moves quantized values.</summary>
    /// <param name="value">The moved value.</param>
    /// <param name="scale">The name of the scale.</param>
    /// <param name="zeroPoint">The name of the zero point.</param>
    /// <param name="integers">The name of the integers.</param>
    /// <param name="floats">The name of the dequantized value that readers of the moved value read instead.</param>
    public static IEnumerable<OnnxNode> Expand(
        string value,
        string scale,
        string zeroPoint,
        string integers,
        string floats) =>
    [
        new(integers, "QuantizeLinear", OperatorAttributes.None, [value, scale, zeroPoint], [integers]),
        new(floats, "DequantizeLinear", OperatorAttributes.None, [integers, scale, zeroPoint], [floats]),
    ];

    /// <summary>
    /// Removes quantizers that change nothing, because another quantizer has already rounded their input's elements
    /// with the same scale.
    /// </summary>
    /// <param name="nodes">
    /// All sorted nodes, including quantizers; readers of removed values are changed in place.
    /// </param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public static IReadOnlyList<OnnxNode> Collapse(
        IReadOnlyList<OnnxNode> nodes,
        IReadOnlyCollection<string> outputs)
    {
        var definers = new Dictionary<string, OnnxNode>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            foreach (var output in node.Outputs)
                definers.TryAdd(output, node);
        }
        var removed = new Dictionary<string, string>(StringComparer.Ordinal);
        var kept = new List<OnnxNode>(nodes.Count);
        foreach (var node in nodes)
        {
            if (node.Type == FakeQuantize.Name
                && !outputs.Contains(node.Outputs[0])
                && Source(node) is { } source
                && ChangesNothing(node, source))
            {
                removed[node.Outputs[0]] = removed.GetValueOrDefault(node.Inputs[0], node.Inputs[0]);
            }
            else
            {
                kept.Add(node);
            }
        }
        QuantizerForms.Rename(kept, removed);
        return kept;

        // Looks through nodes that move values, and through removed quantizers of the same scale after them.
        OnnxNode? Source(OnnxNode quantizer)
        {
            var value = quantizer.Inputs[0];
            for (var isMoved = false; definers.TryGetValue(value, out var definer); isMoved = true)
            {
                if (definer.Type == FakeQuantize.Name && (!isMoved || !removed.ContainsKey(value)))
                    return isMoved ? definer : null;
                if (definer.Type != FakeQuantize.Name && (definer.Outputs[0] != value || !MovesValues(definer)))
                    return null;
                value = definer.Input(0);
            }
            return null;
        }

        static bool MovesValues(OnnxNode definer) =>
            OperatorTable.Definitions.GetValueOrDefault(definer.Type)?.MovesValues(definer.Inputs.Count) == true;
    }

    private static bool ChangesNothing(OnnxNode node, OnnxNode source)
    {
        if (node.Attributes.Contains("axis")
            || source.Attributes.Contains("axis")
            || node.Inputs[1] != source.Inputs[1])
        {
            return false;
        }
        var (range, inner) = (Range(node), Range(source));
        return range.Minimum <= inner.Minimum && range.Maximum >= inner.Maximum;

        static QuantizationRange Range(OnnxNode quantizer) =>
            ((FakeQuantize)Operator.Create(quantizer.Type, quantizer.Attributes)).Range;
    }
}
