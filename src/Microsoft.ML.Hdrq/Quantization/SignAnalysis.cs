using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Decides which values can be negative from what computes them, not from the values on some images: networks that are quantized on different images must have the same quantizers, or they
/// could not be merged.
/// </summary>
internal static class SignAnalysis
{
    /// <summary>Finds the values that need a signed quantizer.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="parameters">Its parameters: the bound of a clip decides.</param>
    /// <param name="isInputPositive">Whether the network's input has no negative values.</param>
    public static HashSet<string> FindSigned(Graph graph, IReadOnlyDictionary<string, torch.Tensor> parameters, bool isInputPositive)
    {
        var flow = new DataFlow(graph);
        var signed = isInputPositive ? new HashSet<string>(StringComparer.Ordinal) : graph.Inputs.Select(input => input.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (!IsPositive(node))
                signed.UnionWith(node.Outputs);
        }
        return signed;

        bool IsPositive(GraphNode node) => node.Operator.Type switch
        {
            "Relu" or "Sigmoid" or "HardSigmoid" or "Softmax" or "Softplus" or "Exp" or "Abs" or "Sqrt" => true,
            "Clip" when node.Inputs.Length > 1 && parameters.TryGetValue(node.Inputs[1], out var least) && least.item<float>() >= 0 => true,
            // What selects, averages, adds or multiplies values that are not negative gives such values.
            "MaxPool" or "AveragePool" or "GlobalAveragePool" or "GlobalMaxPool" or "ReduceMean" or "ReduceMax" or "ReduceSum" or "Identity" or "Dropout" or "Flatten" or "Reshape" or "Squeeze" or "Unsqueeze"
                or "Transpose" or "Slice" or "Split" or "Expand" or "Gather" or "Concat" or "Add" or "Mul" or "Max" or "DepthToSpace" or "SpaceToDepth" or "Tile" => node.Inputs.All(IsPositiveInput),
            // Padding adds zeros unless the node names another value; cubic interpolation overshoots.
            "Pad" => node.Inputs.Length < 3 && IsPositiveInput(node.Inputs[0]),
            "Resize" => node.Operator.Attributes.Text("mode", "nearest") != "cubic" && IsPositiveInput(node.Inputs[0]),
            _ => false,
        };

        bool IsPositiveInput(string value) => flow.IsData(value) ? !signed.Contains(value) : !parameters.TryGetValue(value, out var tensor) || !tensor.is_floating_point() || tensor.min().item<float>() >= 0;
    }
}
