using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Decides which values can be negative from the operators that compute them, not from the values on some images:
/// networks quantized on different images must have the same quantizers, or they could not be merged.
/// </summary>
internal static class SignAnalysis
{
    /// <summary>Finds the values that need a signed quantizer.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="parameters">The graph's parameters: the bound of a clip decides.</param>
    /// <param name="isInputPositive">Whether the network's input has no negative values.</param>
    public static HashSet<string> FindSigned(
        Graph graph, IReadOnlyDictionary<string, torch.Tensor> parameters, bool isInputPositive)
    {
        var flow = graph.Flow;
        var signed = isInputPositive
            ? new HashSet<string>(StringComparer.Ordinal)
            : graph.Inputs.Select(input => input.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (!IsPositive(node))
                signed.UnionWith(node.Outputs);
        }
        return signed;

        bool IsPositive(GraphNode node)
        {
            var (traits, definition) = (node.Operator.Traits, node.Operator.Definition);
            if (traits.HasFlag(OperatorTraits.NeverNegative))
                return true;
            if (definition.LowerBoundInput is { } bound
                && bound < node.Inputs.Length
                && parameters.TryGetValue(node.Inputs[bound], out var lowest)
                && lowest.item<float>() >= 0)
            {
                return true;
            }
            // A fill value among moved values may be negative. Inputs that only steer the computation are not values.
            return traits.HasFlag(OperatorTraits.KeepsSign)
                && !(definition.FillInput < node.Inputs.Length)
                && node.Inputs.Where((_, input) => !definition.SteeringInputs.Contains(input)).All(IsPositiveInput);
        }

        bool IsPositiveInput(string value) => flow.IsData(value)
            ? !signed.Contains(value)
            : !parameters.TryGetValue(value, out var tensor)
                || !tensor.is_floating_point()
                || tensor.min().item<float>() >= 0;
    }
}
