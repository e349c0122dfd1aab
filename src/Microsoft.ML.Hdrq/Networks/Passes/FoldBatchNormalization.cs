using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Folds every batch normalization into the convolution, transposed convolution or linear layer before it, when nothing
/// else reads that layer's output: with <c>f = scale / sqrt(variance + epsilon)</c> per output channel, the weight
/// becomes <c>W f</c> and the bias <c>(b - mean) f + beta</c>. Inference gives the same scores, up to the rounding of
/// single precision; training afterwards has no statistics to update.
/// </summary>
internal static class FoldBatchNormalization
{
    /// <summary>Folds all batch normalizations that can be folded.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>A network that computes the same, with parameters of its own, owned by the caller. A layer keeps its
    /// parameters' names; a layer without bias gets one, named like its weight with <c>bias</c> in place of
    /// <c>weight</c>.</returns>
    public static Network Apply(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var readers = network.Graph.Nodes
            .SelectMany(node => node.Inputs.Select(input => (input, node)))
            .ToLookup(pair => pair.input, pair => pair.node, StringComparer.Ordinal);
        var folded = new HashSet<GraphNode>();
        foreach (var node in network.Graph.Nodes)
        {
            if (folded.Contains(node))
                continue;
            var normalization = rewriter.IsGraphOutput(node.Outputs[0]) || readers[node.Outputs[0]].Count() != 1
                ? null
                : readers[node.Outputs[0]].Single();
            if (normalization is { Operator: BatchNormalization operation }
                && normalization.Inputs[0] == node.Outputs[0]
                && Fold(node, normalization, operation, rewriter, name => readers[name].Count()) is { } layer)
            {
                rewriter.AddNode(layer);
                folded.Add(normalization);
            }
            else
            {
                rewriter.AddNode(node);
            }
        }
        return rewriter.Build();
    }

    private static GraphNode? Fold(
        GraphNode layer, GraphNode normalization, BatchNormalization operation, GraphRewriter rewriter,
        Func<string, int> readerCount)
    {
        if (normalization.Inputs.Any(input => input != layer.Outputs[0] && rewriter.Definition(input) is null)
            || layer.Inputs.Length < 2 || rewriter.Definition(layer.Inputs[1]) is not { } weightDefinition)
        {
            return null;
        }
        var biasName = layer.Inputs.Length > 2 ? layer.Inputs[2] : "";
        if (biasName.Length > 0 && rewriter.Definition(biasName) is null)
            return null;
        var (scale, shift, mean, variance) = (
            rewriter.Tensor(normalization.Inputs[1]), rewriter.Tensor(normalization.Inputs[2]),
            rewriter.Tensor(normalization.Inputs[3]), rewriter.Tensor(normalization.Inputs[4]));
        var factor = scale.div(variance.add(Scalars.Keep(operation.Epsilon), Scalars.One).sqrt());
        var weight = rewriter.Tensor(layer.Inputs[1]);
        if (layer.Operator is not LayerOperator { BiasFactor: 1 } known
            || known.ByOutputChannel(weight.shape, scale.numel()) is not { } channels)
        {
            return null;
        }
        var bias = biasName.Length > 0 ? rewriter.Tensor(biasName) : torch.zeros_like(mean);
        if (!bias.shape.AsSpan().SequenceEqual(mean.shape))
            return null;

        // A tensor that another layer reads too keeps its value under its name.
        var weightName = readerCount(layer.Inputs[1]) == 1
            ? layer.Inputs[1]
            : rewriter.FreshName($"{layer.Inputs[1]}.folded");
        if (biasName.Length == 0)
        {
            biasName = rewriter.FreshName(layer.Inputs[1].EndsWith("weight", StringComparison.Ordinal)
                ? $"{layer.Inputs[1][..^"weight".Length]}bias"
                : $"{layer.Inputs[1]}.bias");
        }
        else if (readerCount(biasName) != 1)
        {
            biasName = rewriter.FreshName($"{biasName}.folded");
        }
        rewriter.AddParameter(weightName, Scaled(weight, factor, channels), weightDefinition.Role);
        rewriter.AddParameter(biasName, bias.sub(mean).mul(factor).add(shift, Scalars.One), ParameterRole.Weight);
        return new GraphNode(
            layer.Name, layer.Operator, [layer.Inputs[0], weightName, biasName], normalization.Outputs);
    }

    private static torch.Tensor Scaled(
        torch.Tensor weight, torch.Tensor factor, (long[] Weight, long[] Factor) channels) =>
        weight.reshape(channels.Weight).mul(factor.reshape(channels.Factor)).reshape(weight.shape);
}
