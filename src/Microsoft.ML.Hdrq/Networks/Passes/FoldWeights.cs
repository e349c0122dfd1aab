using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Computes the weights of layers that are computed from parameters alone, such as a part of a larger weight, or one
/// that is scaled: only a parameter can be quantized. Layers that share such a weight share the parameter.
/// </summary>
internal static class FoldWeights
{
    /// <summary>Folds all such weights.</summary>
    /// <param name="network">The network in full precision; it is not changed.</param>
    /// <returns>
    /// A network that computes the same, with parameters of its own, owned by the caller. A new weight has the name of
    /// the value that it replaces.
    /// </returns>
    public static Network Apply(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var known = new Dictionary<string, bool>(StringComparer.Ordinal);
        var weights = network.Graph.Layers.Weighted
            .Where(layer => layer is { Parameter: null, WeightQuantizer: null })
            .Select(layer => layer.WeightInput)
            .Where(weight => !network.Parameters.ContainsKey(weight) && IsOfParameters(weight))
            .ToHashSet(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        context.Limit(network.MaxValueSize);
        var computed = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        foreach (var node in network.Graph.Nodes)
        {
            if (node.Outputs.Any(weights.Contains))
            {
                foreach (var output in node.Outputs.Where(weights.Contains))
                    rewriter.AddParameter(output, Value(output).contiguous(), ParameterRole.Weight);
                if (node.Outputs.All(output => output.Length == 0 || weights.Contains(output)))
                    continue;
                // Only what is not a parameter now is still computed.
                rewriter.AddNode(new GraphNode(
                    node.Name, node.Operator, node.Inputs,
                    [.. node.Outputs.Select(output => weights.Contains(output) ? "" : output)]));
                continue;
            }
            rewriter.AddNode(node);
        }
        return rewriter.Build();

        bool IsOfParameters(string value)
        {
            if (!known.TryGetValue(value, out var result))
            {
                result = network.Parameters.ContainsKey(value)
                    || network.Graph.Flow.Definer(value) is { } definer
                        && definer.Operator is not (FakeQuantize or DequantizeLinear)
                        && definer.Inputs.All(input => input.Length == 0 || IsOfParameters(input));
                known.Add(value, result);
            }
            return result;
        }

        torch.Tensor Value(string name)
        {
            if (network.Parameters.TryGetValue(name, out var parameter))
                return parameter.detach();
            if (computed.TryGetValue(name, out var value))
                return value;
            var node = network.Graph.Flow.Definer(name)!;
            var outputs = Network.Compute(
                node, [.. node.Inputs.Select(input => input.Length == 0 ? null : Value(input))], context);
            for (var i = 0; i < node.Outputs.Length; i++)
            {
                if (node.Outputs[i].Length > 0)
                    computed[node.Outputs[i]] = outputs[i];
            }
            return computed[name];
        }
    }
}
