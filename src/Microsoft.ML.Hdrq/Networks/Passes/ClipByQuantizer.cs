using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Leaves clipping to quantizers: a <c>Clip(0, c)</c> that only an unsigned quantizer reads becomes <c>Relu</c>, and
/// the quantizer's largest value becomes at most c. Integer kernels have no bounds other than those of their integers.
/// </summary>
internal static class ClipByQuantizer
{
    /// <summary>Rewrites a network. Which nodes are replaced depends only on the graph and the bounds.</summary>
    /// <param name="network">The quantized network; it is not changed.</param>
    /// <returns>The rewritten network, owned by the caller.</returns>
    public static Network Apply(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var flow = network.Graph.Flow;
        foreach (var node in network.Graph.Nodes)
        {
            if (node.Operator is Clip && Bound(node, 1) == 0 && Bound(node, 2) is { } maximum and > 0
                && !rewriter.IsGraphOutput(node.Outputs[0])
                && flow.Readers(node.Outputs[0]).ToList() is
                    [{ Operator: FakeQuantize { Axis: null, Range: { IsSigned: false } range } } quantizer]
                && rewriter.Definition(quantizer.Inputs[1]) is { } scale)
            {
                rewriter.AddParameter(
                    scale.Name,
                    rewriter.Tensor(scale.Name).clamp(max: Scalars.Keep(maximum / range.Maximum)),
                    scale.Role);
                rewriter.AddNode(new GraphNode(node.Name, Operator.Create("Relu"), [node.Inputs[0]], node.Outputs));
            }
            else
            {
                rewriter.AddNode(node);
            }
        }
        return rewriter.Build();

        float? Bound(GraphNode node, int input) =>
            input < node.Inputs.Length && rewriter.IsConstant(node.Inputs[input])
                ? rewriter.Tensor(node.Inputs[input]).to(torch.ScalarType.Float32).item<float>()
                : null;
    }
}
