using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Computes once what does not depend on the input: nodes whose inputs are all constants. Drops nodes and parameters that no output needs,
/// and nodes that change nothing (identities, and padding by nothing).
/// </summary>
public static class FoldConstants
{
    // What is folded are shapes and amounts. Larger values, and those beyond the total, are left to the forward pass: a file must not blow up when it is loaded.
    private const long MaxInputElements = 1L << 12;
    private const long MaxOutputElements = 1L << 20;
    private const long MaxTotalElements = 1L << 24;

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
        var folded = 0L;
        foreach (var node in network.Graph.Nodes)
        {
            if (folded < MaxTotalElements && IsFoldable(node, rewriter) && Compute(node, rewriter) is { } outputs)
            {
                for (var i = 0; i < node.Outputs.Length; i++)
                {
                    if (node.Outputs[i].Length == 0)
                        continue;
                    rewriter.AddParameter(node.Outputs[i], outputs[i], ParameterRole.Constant);
                    folded += outputs[i].numel();
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

    /// <summary>The values of a node on constants, or null when they are too large to be kept.</summary>
    private static torch.Tensor[]? Compute(GraphNode node, GraphRewriter rewriter)
    {
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU, maxElements: MaxOutputElements);
        try
        {
            return Network.Compute(node, [.. node.Inputs.Select(input => input.Length == 0 ? null : rewriter.Tensor(input))], context);
        }
        catch (InvalidOperationException) when (context.RefusedSize)
        {
            return null;
        }
    }

    private static bool IsFoldable(GraphNode node, GraphRewriter rewriter)
    {
        if (!node.Operator.Definition.Foldable)
            return false;
        var inputs = node.Inputs.Where(input => input.Length > 0).ToList();
        // Torch has no 4-bit integers: only a cast gives a value whose type it knows.
        return inputs.All(input => rewriter.IsConstant(input) && rewriter.Tensor(input).numel() <= MaxInputElements)
            && (node.Operator.Type == "Cast" || inputs.All(input => rewriter.Definition(input)!.ElementType is not (ElementType.Int4 or ElementType.UInt4)))
            && inputs.Sum(input => rewriter.Tensor(input).numel()) <= MaxOutputElements
            && BroadcastElements(inputs.Select(input => rewriter.Tensor(input).shape)) * inputs.Count <= MaxOutputElements;
    }

    /// <summary>How many elements the inputs have when they are broadcast to one shape, whether or not the operator does that.</summary>
    private static double BroadcastElements(IEnumerable<long[]> shapes)
    {
        var sizes = new List<long>();
        foreach (var shape in shapes)
        {
            for (var d = 0; d < shape.Length; d++)
            {
                if (d == sizes.Count)
                    sizes.Add(1);
                sizes[d] = Math.Max(sizes[d], shape[^(d + 1)]);
            }
        }
        return sizes.Aggregate(1.0, (product, size) => product * size);
    }

    private static bool ChangesNothing(GraphNode node, GraphRewriter rewriter) => node.Operator.Type switch
    {
        "Identity" => true,
        "Pad" => node.Inputs.Length > 1 && rewriter.IsConstant(node.Inputs[1]) && Operators.HostValues.Integers(rewriter.Tensor(node.Inputs[1])).All(pad => pad == 0),
        _ => false,
    };
}
