using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Lets nodes that name their axes (Pad, Resize and CenterCropPad since opset 18) give all sizes in order: ONNX
/// Runtime's optimizer, which moves channels to the end for integer kernels, mistakes the shorter lists. The values are
/// the same.
/// </summary>
internal static class ExplicitAxes
{
    private const long MaxInputElements = 1L << 24;

    /// <summary>Rewrites all such nodes whose data's rank is found by computing one row.</summary>
    /// <param name="network">The network; it is not changed.</param>
    /// <returns>A network with parameters of its own, owned by the caller; null where there is none to change.</returns>
    public static Network? Apply(Network network)
    {
        if (!network.Graph.Nodes.Any(NamesAxes))
            return null;
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        if (Ranks(network) is not { } ranks)
            return null;
        var rewriter = new GraphRewriter(network);
        foreach (var node in network.Graph.Nodes)
        {
            if (NamesAxes(node) && ranks.TryGetValue(node.Inputs[0], out var rank))
                new Rewrite(rewriter, node, rank).Apply();
            else
                rewriter.AddNode(node);
        }
        return rewriter.Build();
    }

    private static bool NamesAxes(GraphNode node) => node.Operator switch
    {
        Pad => node.Inputs.Length > 3 && node.Inputs[3].Length > 0,
        Resize or CenterCropPad => node.Operator.Attributes.Contains("axes"),
        _ => false,
    };

    private static Dictionary<string, int>? Ranks(Network network)
    {
        if (network.Graph.Inputs is not [{ ElementType: ElementType.Float32, Shape.IsEmpty: false } input])
            return null;
        foreach (var shape in TrialShapes.Of(input, rows: 1, MaxInputElements))
        {
            var ranks = new Dictionary<string, int>(StringComparer.Ordinal) { [input.Name] = shape.Length };
            var context = new ComputeContext(ForwardMode.Inference, network.Device)
            {
                Watch = (name, value) => ranks[name] = (int)value.dim(),
            };
            context.Limit(network.MaxValueSize);
            try
            {
                _ = network.Run([torch.zeros(shape, device: network.Device)], context);
                return ranks;
            }
            catch (Exception exception) when (TrialShapes.AreWrong(exception))
            {
                // The next ones may do.
            }
        }
        return null;
    }

    private sealed class Rewrite(GraphRewriter rewriter, GraphNode node, int rank)
    {
        public void Apply()
        {
            var inputs = node.Inputs.ToList();
            var attributes = node.Operator.Attributes.Without("axes");
            var isWritten = node.Operator switch
            {
                Pad => Constant(3) is { } axes && Pads(axes, inputs),
                Resize when Input(3).Length > 0 => Sizes(3, inputs),
                Resize => Scales(inputs),
                _ => Sizes(1, inputs),
            };
            rewriter.AddNode(isWritten
                ? new GraphNode(node.Name, Operator.Create(node.Operator.Type, attributes), [.. inputs], node.Outputs)
                : node);
        }

        private bool Pads(long[] axes, List<string> inputs)
        {
            if (Constant(1) is not { } pads || pads.Length != 2 * axes.Length)
                return false;
            var all = new long[2 * rank];
            var places = HostValues.Axes(axes, rank);
            for (var i = 0; i < axes.Length; i++)
                (all[places[i]], all[rank + places[i]]) = (pads[i], pads[axes.Length + i]);
            inputs[1] = Add("pads", HostValues.Tensor(all));
            inputs.RemoveRange(3, inputs.Count - 3);
            if (inputs[2].Length == 0)
                inputs.RemoveAt(2);
            return true;
        }

        private bool Scales(List<string> inputs)
        {
            var axes = Axes();
            if (!rewriter.IsConstant(Input(2)) || rewriter.Tensor(Input(2)) is not { } given
                || given.numel() != axes.Length)
            {
                return false;
            }
            var all = torch.ones(rank);
            for (var i = 0; i < axes.Length; i++)
                all.narrow(0, axes[i], 1).copy_(given.reshape(-1).narrow(0, i, 1));
            inputs[2] = Add("scales", all);
            return true;
        }

        /// <summary>The sizes of the other axes are those of the data.</summary>
        private bool Sizes(int input, List<string> inputs)
        {
            var axes = Axes();
            if (Constant(input) is not { } sizes || sizes.Length != axes.Length)
                return false;
            var shape = rewriter.FreshName($"{node.Outputs[0]}.shape");
            rewriter.AddNode(new GraphNode(shape, Operator.Create("Shape"), [node.Inputs[0]], [shape]));
            var all = rewriter.FreshName($"{node.Outputs[0]}.sizes");
            rewriter.AddNode(new GraphNode(
                all, Operator.Create("ScatterElements"),
                [shape, Add("axes", HostValues.Tensor(axes)), Add("given", HostValues.Tensor(sizes))], [all]));
            inputs[input] = all;
            return true;
        }

        private long[] Axes() =>
            [.. HostValues.Axes(node.Operator.Attributes.Integers("axes").ToArray(), rank).Select(axis => (long)axis)];

        private string Input(int input) => input < node.Inputs.Length ? node.Inputs[input] : "";

        private long[]? Constant(int input) =>
            rewriter.IsConstant(Input(input)) ? HostValues.Integers(rewriter.Tensor(Input(input))) : null;

        private string Add(string stem, torch.Tensor value)
        {
            var name = rewriter.FreshName($"{node.Outputs[0]}.{stem}");
            rewriter.AddParameter(name, value, ParameterRole.Constant);
            return name;
        }
    }
}
