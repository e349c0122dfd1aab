using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Products of an unsigned and a signed byte, which x86 CPUs without VNNI add in pairs and hold within 16 bits: a larger sum becomes the largest that these hold. No pair can be larger if
/// <c>2 a w</c> is within them for the greatest byte a of the activation and the weight's integer w of the greatest magnitude, whichever products a kernel pairs.
/// </summary>
internal static class PairedProducts
{
    /// <summary>The quantizers of weights of which no pair of products is too large in any layer that reads them, so that their integers can be kept signed.</summary>
    public static HashSet<GraphNode> FindSmall(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var flow = new DataFlow(network.Graph);
        return network.Graph.Nodes.Where(node => node.Operator is FakeQuantize && network.Parameters.ContainsKey(node.Inputs[0]) && AreSmall(node)).ToHashSet<GraphNode>(ReferenceEqualityComparer.Instance);

        bool AreSmall(GraphNode weight)
        {
            var greatest = flow.Readers(weight.Outputs[0]).Select(layer => GreatestByte(layer, weight.Outputs[0])).DefaultIfEmpty(null).ToList();
            if (greatest.Contains(null))
                return false;
            var integers = ((FakeQuantize)weight.Operator).Integers(network.Parameters[weight.Inputs[0]], network.Parameters[weight.Inputs[1]]);
            return 2 * greatest.Max()!.Value * (long)integers.abs_().max().item<float>() <= short.MaxValue;
        }

        // Activations are kept with their least integer as 0.
        int? GreatestByte(GraphNode layer, string weight) =>
            layer.Operator is Convolution or Gemm or MatMul && layer.Inputs[1] == weight && flow.Definer(GridFlow.Origin(flow, layer.Inputs[0])) is { Operator: FakeQuantize { Range: var range } }
                ? range.Maximum - range.Minimum
                : null;
    }
}
