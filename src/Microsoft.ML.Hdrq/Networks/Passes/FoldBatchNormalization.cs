using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Folds what only scales and shifts output channels into the convolution, transposed convolution or linear layer before
/// it, when nothing else reads that layer's output: batch normalizations, products and sums with constants or weights,
/// and what a HardSigmoid does before it clips, so that integer kernels do the rest. With
/// <c>f = scale / sqrt(variance + epsilon)</c> per output channel, the weight becomes <c>W f</c> and the bias
/// <c>(b - mean) f + beta</c>. Inference gives the same scores, up to the rounding of single precision; training
/// afterwards has no statistics to update.
/// </summary>
internal static class FoldBatchNormalization
{
    /// <summary>Folds all that can be folded.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <param name="keepStatistics">
    /// Whether the statistics of the normalizations become recorded ones of their layers' outputs, see
    /// <see cref="OutputStatistics"/>.
    /// </param>
    /// <returns>A network that computes the same, with parameters of its own, owned by the caller. A layer keeps its
    /// parameters' names; a layer without bias gets one, named like its weight with <c>bias</c> in place of
    /// <c>weight</c>.</returns>
    public static Network Apply(Network network, bool keepStatistics = false)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var readers = network.Graph.Nodes
            .SelectMany(node => node.Inputs.Select(input => (input, node)))
            .ToLookup(pair => pair.input, pair => pair.node, StringComparer.Ordinal);
        var folded = new HashSet<GraphNode>();
        var statistics = keepStatistics ? new FoldedStatistics(network) : null;
        foreach (var node in network.Graph.Nodes)
        {
            if (folded.Contains(node))
                continue;
            var layer = node;
            GraphNode? clip = null;
            while (clip is null && !rewriter.IsGraphOutput(layer.Outputs[0])
                && readers[layer.Outputs[0]].ToList() is [var next]
                && Fold(layer, next, rewriter, name => readers[name].Count(), statistics) is { } longer)
            {
                folded.Add(next);
                layer = longer;
                if (next.Operator is HardSigmoid)
                    (layer, clip) = Clipped(layer, next, rewriter);
            }
            rewriter.AddNode(layer);
            if (clip is not null)
                rewriter.AddNode(clip);
        }
        var result = rewriter.Build();
        if (statistics is not null)
            result.Metadata = statistics.Metadata;
        return result;
    }

    /// <summary>Gives a layer into which the scale and shift of a HardSigmoid are folded its clipping.</summary>
    private static (GraphNode Layer, GraphNode Clip) Clipped(GraphNode layer, GraphNode next, GraphRewriter rewriter)
    {
        var value = rewriter.FreshName($"{next.Outputs[0]}.unclipped");
        var clip = new GraphNode(
            next.Name, Operator.Create("Clip"), [value, Bound("minimum", 0), Bound("maximum", 1)], next.Outputs);
        return (new GraphNode(layer.Name, layer.Operator, layer.Inputs, [value]), clip);

        string Bound(string name, float bound)
        {
            var parameter = rewriter.FreshName($"{next.Outputs[0]}.{name}");
            rewriter.AddParameter(parameter, torch.tensor(bound), ParameterRole.Constant);
            return parameter;
        }
    }

    private static GraphNode? Fold(
        GraphNode layer, GraphNode next, GraphRewriter rewriter, Func<string, int> readerCount,
        FoldedStatistics? statistics)
    {
        if (layer.Operator is not LayerOperator { BiasFactor: 1 } known
            || next.Inputs.Any(input => input != layer.Outputs[0] && rewriter.Definition(input) is null)
            || layer.Inputs.Length < 2 || rewriter.Definition(layer.Inputs[1]) is not { } weightDefinition)
        {
            return null;
        }
        var biasName = layer.Inputs.Length > 2 ? layer.Inputs[2] : "";
        if (biasName.Length > 0 && rewriter.Definition(biasName) is null)
            return null;
        var weight = rewriter.Tensor(layer.Inputs[1]);
        if (Scaling(layer, known, weight.shape, next, rewriter) is not var (offset, factor, shift)
            || known.ByOutputChannel(weight.shape, factor.numel()) is not { } channels)
        {
            return null;
        }
        var bias = biasName.Length > 0 ? rewriter.Tensor(biasName) : torch.zeros_like(offset);
        if (!bias.shape.AsSpan().SequenceEqual(offset.shape))
            return null;

        // A tensor that another layer reads too keeps its value under its name.
        var weightName = readerCount(layer.Inputs[1]) <= 1
            ? layer.Inputs[1]
            : rewriter.FreshName($"{layer.Inputs[1]}.folded");
        if (biasName.Length == 0)
        {
            biasName = rewriter.FreshName(layer.Inputs[1].EndsWith("weight", StringComparison.Ordinal)
                ? $"{layer.Inputs[1][..^"weight".Length]}bias"
                : $"{layer.Inputs[1]}.bias");
        }
        else if (readerCount(biasName) > 1)
        {
            biasName = rewriter.FreshName($"{biasName}.folded");
        }
        rewriter.AddParameter(weightName, Scaled(weight, factor, channels), weightDefinition.Role);
        rewriter.AddParameter(biasName, bias.sub(offset).mul(factor).add(shift, Scalars.One), ParameterRole.Weight);
        var variance = next.Operator is BatchNormalization ? rewriter.Tensor(next.Inputs[4]) : null;
        statistics?.Fold(layer.Inputs[1], weightName, variance, offset, factor, shift);
        return new GraphNode(
            layer.Name, layer.Operator, [layer.Inputs[0], weightName, biasName], next.Outputs);
    }

    /// <summary>
    /// What a node makes of each channel x of a layer's output: <c>(x - offset) factor + shift</c>; null where it does
    /// something else.
    /// </summary>
    private static (torch.Tensor Offset, torch.Tensor Factor, torch.Tensor Shift)? Scaling(
        GraphNode layer, LayerOperator known, long[] weight, GraphNode node, GraphRewriter rewriter)
    {
        if (node is { Operator: BatchNormalization operation } && node.Inputs[0] == layer.Outputs[0])
        {
            var (scale, beta, mean, variance) = (
                rewriter.Tensor(node.Inputs[1]), rewriter.Tensor(node.Inputs[2]),
                rewriter.Tensor(node.Inputs[3]), rewriter.Tensor(node.Inputs[4]));
            return (mean, scale.div(variance.add(Scalars.Keep(operation.Epsilon), Scalars.One).sqrt()), beta);
        }
        // A transposed convolution says only with its groups how many channels it gives.
        if (known is TransposedConvolution || known.Definition.MaxInputs <= LayerOperator.BiasInput)
            return null;
        var count = weight[known.OutputAxis(weight.Length)];
        if (node.Operator is HardSigmoid gate)
        {
            var zeros = torch.zeros(count, device: rewriter.Tensor(layer.Inputs[1]).device);
            return (zeros, torch.full_like(zeros, Scalars.Keep(gate.Alpha)),
                torch.full_like(zeros, Scalars.Keep(gate.Beta)));
        }
        if (!node.Operator.Traits.HasFlag(OperatorTraits.IsAffine)
            || node.Inputs.Where(input => input != layer.Outputs[0]).ToList() is not [var name]
            || rewriter.Definition(name)?.ElementType != ElementType.Float32)
        {
            return null;
        }
        var value = rewriter.Tensor(name);
        if (!IsPerChannel(value.shape, weight.Length, count))
            return null;
        // In double precision, so that a sum does not change the factor of 1 that it has.
        value = value.reshape(-1).expand(count).to(torch.ScalarType.Float64);
        var (start, end) = (At(torch.zeros_like(value)), At(torch.ones_like(value)));
        return start.isfinite().all().item<bool>()
            ? (torch.zeros_like(value, torch.ScalarType.Float32), Single(end.sub(start)), Single(start))
            : null;

        torch.Tensor At(torch.Tensor x) => Network.Compute(
            node, [.. node.Inputs.Select(input => input == name ? value : x)],
            new ComputeContext(ForwardMode.Inference, x.device))[0];

        static torch.Tensor Single(torch.Tensor x) => x.to(torch.ScalarType.Float32);
    }

    /// <summary>Whether a value has one element, or one for each channel of a layer's output.</summary>
    private static bool IsPerChannel(long[] shape, int rank, long channels)
    {
        if (shape.Length > rank)
            return false;
        long[] aligned = [.. Enumerable.Repeat(1L, rank - shape.Length), .. shape];
        return aligned.Index().All(
            dimension => dimension.Item == 1 || (dimension.Index == 1 && dimension.Item == channels));
    }

    private static torch.Tensor Scaled(
        torch.Tensor weight, torch.Tensor factor, (long[] Weight, long[] Factor) channels) =>
        weight.reshape(channels.Weight).mul(factor.reshape(channels.Factor)).reshape(weight.shape);
}
