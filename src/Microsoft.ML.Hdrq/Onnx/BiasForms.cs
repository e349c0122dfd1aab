using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Biases of integer layers in files: 32-bit integers and <c>DequantizeLinear</c>, whose scale is the input's scale
/// times the weight's scale.
/// </summary>
internal static class BiasForms
{
    /// <summary>Writes the node that dequantizes a bias.</summary>
    /// <param name="bias">The name of the integers.</param>
    /// <param name="step">The name of their scale.</param>
    /// <param name="isPerChannel">Whether each integer has its own scale.</param>
    /// <param name="floats">The name of the dequantized values.</param>
    public static OnnxNode Expand(string bias, string step, bool isPerChannel, string floats) =>
        new(
            floats,
            "DequantizeLinear",
            isPerChannel ? new OperatorAttributes(("axis", 0L)) : OperatorAttributes.None,
            [bias, step],
            [floats]);

    /// <summary>
    /// Reads biases: 32-bit integers that only a <c>DequantizeLinear</c> node reads become the values it computes.
    /// </summary>
    /// <param name="nodes">All nodes; readers of the dequantized values are changed in place.</param>
    /// <param name="tensors">The file's tensors; integers that become floats are replaced.</param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public static IReadOnlyList<OnnxNode> Collapse(
        IReadOnlyList<OnnxNode> nodes,
        OnnxTensorPool tensors,
        IReadOnlyCollection<string> outputs)
    {
        var numbers = new Dictionary<string, string>(StringComparer.Ordinal);
        var kept = new List<OnnxNode>(nodes.Count);
        var readers = nodes
            .SelectMany(node => node.Inputs)
            .CountBy(input => input, StringComparer.Ordinal)
            .ToDictionary(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            if (node.Type == "DequantizeLinear"
                && node.Outputs.Count == 1
                && !outputs.Contains(node.Outputs[0])
                && !outputs.Contains(node.Input(0))
                && Numbers(node, tensors) is { } values
                && readers[node.Input(0)] == 1
                && !tensors.Contains(node.Outputs[0]))
            {
                tensors.Replace(node.Input(0), values);
                numbers[node.Outputs[0]] = node.Input(0);
            }
            else
            {
                kept.Add(node);
            }
        }
        QuantizerForms.Rename(kept, numbers);
        return kept;
    }

    private static TensorData? Numbers(OnnxNode node, OnnxTensorPool tensors)
    {
        if (!tensors.TryGet(node.Input(0), out var integers)
            || integers is not { ElementType: ElementType.Int32, Shape.Length: 1 }
            || QuantizerForms.Scales(node, tensors) is not { } scales
            || node.Input(2).Length > 0 && QuantizerForms.ZeroPoint(node.Input(2), tensors) != 0)
        {
            return null;
        }
        if (scales.Axis is not null && scales.Values.Length != integers.Shape[0])
            return null;
        var values = new float[integers.Shape[0]];
        var steps = MemoryMarshal.Cast<byte, int>(integers.Bytes);
        for (var i = 0; i < values.Length; i++)
            values[i] = steps[i] * scales.Values[scales.Axis is null ? 0 : i];
        return TensorData.Of<float>(values, integers.Shape);
    }
}
