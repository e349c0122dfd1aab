using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Values that consist of elements of a quantized one, in files: quantized again with the same scale, which changes nothing, but lets runtimes see that pooling and moving are done on the integers.
/// </summary>
internal static class MovedValueForms
{
    /// <summary>Writes a quantizer behind a node that moves quantized values.</summary>
    /// <param name="value">The moved value.</param>
    /// <param name="scale">The name of the scale.</param>
    /// <param name="zeroPoint">The name of the zero point.</param>
    /// <param name="integers">The name of the integers.</param>
    /// <param name="numbers">The name of what readers of the value read instead.</param>
    public static IEnumerable<OnnxNode> Expand(string value, string scale, string zeroPoint, string integers, string numbers) =>
    [
        new(integers, "QuantizeLinear", OperatorAttributes.None, [value, scale, zeroPoint], [integers]),
        new(numbers, "DequantizeLinear", OperatorAttributes.None, [integers, scale, zeroPoint], [numbers]),
    ];

    /// <summary>Removes quantizers that change nothing because their input consists of elements of what another has rounded with the same scale.</summary>
    /// <param name="nodes">All nodes in their order, quantizers among them; those that read what is removed are changed in place.</param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public static IReadOnlyList<OnnxNode> Collapse(IReadOnlyList<OnnxNode> nodes, IReadOnlyCollection<string> outputs)
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
            if (node.Type == FakeQuantize.Name && !outputs.Contains(node.Outputs[0]) && Source(node) is { } source && ChangesNothing(node, source))
                removed[node.Outputs[0]] = removed.GetValueOrDefault(node.Inputs[0], node.Inputs[0]);
            else
                kept.Add(node);
        }
        QuantizerForms.Rename(kept, removed);
        return kept;

        // Through nodes that move, and quantizers behind them that are of the same scale.
        OnnxNode? Source(OnnxNode quantizer)
        {
            var value = quantizer.Inputs[0];
            for (var isMoved = false; definers.TryGetValue(value, out var definer); isMoved = true)
            {
                if (definer.Type == FakeQuantize.Name && (!isMoved || !removed.ContainsKey(value)))
                    return isMoved ? definer : null;
                if (definer.Type != FakeQuantize.Name && (definer.Outputs[0] != value || OperatorTable.Definitions.GetValueOrDefault(definer.Type)?.MovesValues(definer.Inputs.Count) != true))
                    return null;
                value = definer.Input(0);
            }
            return null;
        }
    }

    private static bool ChangesNothing(OnnxNode node, OnnxNode source)
    {
        if (node.Attributes.Contains("axis") || source.Attributes.Contains("axis") || node.Inputs[1] != source.Inputs[1])
            return false;
        var (range, inner) = (((FakeQuantize)Operator.Create(node.Type, node.Attributes)).Range, ((FakeQuantize)Operator.Create(source.Type, source.Attributes)).Range);
        return range.Minimum <= inner.Minimum && range.Maximum >= inner.Maximum;
    }
}
