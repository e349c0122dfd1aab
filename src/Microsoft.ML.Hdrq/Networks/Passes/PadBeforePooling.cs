using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Pads the data of an average pooling in a node of its own where windows may reach beyond padding that is counted
/// (<c>ceil_mode</c> with <c>count_include_pad</c>): ONNX Runtime's integer kernel divides by another count there than
/// its kernel for floats. The values are the same.
/// </summary>
internal static class PadBeforePooling
{
    /// <summary>Pads before all such poolings.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>A network with parameters of its own, owned by the caller; null where there is none to change.</returns>
    public static Network? Apply(Network network)
    {
        if (!network.Graph.Nodes.Any(node => Padding(node) is not null))
            return null;
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        foreach (var node in network.Graph.Nodes)
        {
            if (Padding(node) is not var (before, after))
            {
                rewriter.AddNode(node);
                continue;
            }
            var padded = rewriter.FreshName($"{node.Inputs[0]}.padded");
            var sizes = rewriter.FreshName($"{padded}.sizes");
            // The first two dimensions are rows and channels.
            rewriter.AddParameter(
                sizes, HostValues.Tensor([0, 0, .. before, 0, 0, .. after]), ParameterRole.Constant);
            rewriter.AddNode(new GraphNode(padded, Operator.Create("Pad"), [node.Inputs[0], sizes], [padded]));
            var attributes = node.Operator.Attributes.Without("pads").Without("count_include_pad");
            rewriter.AddNode(new GraphNode(
                node.Name, Operator.Create(node.Operator.Type, attributes), [padded], node.Outputs));
        }
        return rewriter.Build();
    }

    private static (long[] Before, long[] After)? Padding(GraphNode node) =>
        node.Operator is AveragePooling { ReachesBeyondCountedPadding: true } pooling ? pooling.SeparablePadding : null;
}
