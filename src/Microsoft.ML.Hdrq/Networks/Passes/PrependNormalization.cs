using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Prepends <c>(x - mean) / deviation</c>, per channel, to a network with one input; mean and deviation are constants
/// that are not trained.
/// </summary>
internal static class PrependNormalization
{
    /// <summary>Adds the normalization.</summary>
    /// <param name="network">The network; its input has the batch as first dimension. It is not changed.</param>
    /// <param name="mean">A mean for every channel.</param>
    /// <param name="deviation">A deviation for every channel.</param>
    /// <param name="axis">The dimension of the channels.</param>
    /// <returns>The network with two more nodes and the same names of input and outputs; owned by the caller.</returns>
    public static Network Apply(
        Network network, ReadOnlySpan<float> mean, ReadOnlySpan<float> deviation, int axis = 1)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var rewriter = new GraphRewriter(network);
        var input = network.Graph.Inputs[0];
        var centred = Add("Sub", "centred", "mean", input.Name, mean);
        var normalized = Add("Div", "normalized", "deviation", centred, deviation);
        rewriter.Replace(input.Name, normalized);
        foreach (var node in network.Graph.Nodes)
            rewriter.AddNode(node);
        return rewriter.Build();

        string Add(string type, string suffix, string constant, string value, ReadOnlySpan<float> constants)
        {
            var output = rewriter.FreshName($"{input.Name}.{suffix}");
            var shape = new long[input.Shape.Length];
            Array.Fill(shape, 1);
            shape[axis] = constants.Length;
            var parameter = rewriter.FreshName($"{output}.{constant}");
            rewriter.AddParameter(
                parameter, TensorData.Of(constants, shape).ToTorch().to(network.Device), ParameterRole.Constant);
            rewriter.AddNode(new GraphNode(output, Operator.Create(type), [value, parameter], [output]));
            return output;
        }
    }
}
