using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Computes once what does not depend on the input: nodes whose inputs are all constants. Drops nodes and parameters that no output needs,
/// and nodes that change nothing (identities, and padding by nothing).
/// </summary>
public static class FoldConstants
{
    /// <summary>Larger values are left to the forward pass: what is folded are shapes and amounts, and a file must not blow up when it is loaded.</summary>
    private const long MaxInputElements = 4096;
    private const long MaxOutputElements = MaxInputElements * MaxInputElements;

    /// <summary>Simplifies a network.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>A network that computes the same, with parameters of its own, owned by the caller.</returns>
    /// <exception cref="InvalidOperationException">A constant part of the graph cannot be computed; the message names the node.</exception>
    public static Network Apply(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU, maxElements: MaxOutputElements);
        foreach (var node in network.Graph.Nodes)
        {
            if (IsFoldable(node, rewriter))
            {
                var outputs = Network.Compute(node, [.. node.Inputs.Select(input => input.Length == 0 ? null : rewriter.Tensor(input))], context);
                for (var i = 0; i < node.Outputs.Length; i++)
                {
                    if (node.Outputs[i].Length > 0)
                        rewriter.AddParameter(node.Outputs[i], outputs[i], ParameterRole.Constant);
                }
            }
            else if (ChangesNothing(node, rewriter) && !rewriter.IsGraphOutput(node.Outputs[0]))
            {
                rewriter.Replace(node.Outputs[0], node.Inputs[0]);
            }
            else
            {
                rewriter.AddNode(node);
            }
        }
        return rewriter.Build();
    }

    private static bool IsFoldable(GraphNode node, GraphRewriter rewriter)
    {
        if (!node.Operator.Definition.Foldable)
            return false;
        foreach (var input in node.Inputs)
        {
            if (input.Length > 0 && (!rewriter.IsConstant(input) || rewriter.Tensor(input).numel() > MaxInputElements))
                return false;
        }
        return true;
    }

    private static bool ChangesNothing(GraphNode node, GraphRewriter rewriter) => node.Operator.Type switch
    {
        "Identity" => true,
        "Pad" => node.Inputs.Length > 1 && rewriter.IsConstant(node.Inputs[1]) && Operators.HostValues.Integers(rewriter.Tensor(node.Inputs[1])).All(pad => pad == 0),
        _ => false,
    };
}
