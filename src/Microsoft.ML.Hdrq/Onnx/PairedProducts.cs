using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Products of an unsigned and a signed byte. x86 CPUs without VNNI add them in pairs and hold each sum within 16 bits:
/// a larger sum saturates. No pair can saturate if <c>2 a w</c> fits into 16 bits, where a is the largest byte of the
/// activation and w is the largest magnitude of the weight's integers. This holds for every pairing that a kernel uses.
/// </summary>
internal static class PairedProducts
{
    /// <summary>
    /// Finds the quantizers of weights whose pairs of products fit into 16 bits in all layers that read them, so that
    /// their integers can stay signed.
    /// </summary>
    public static HashSet<GraphNode> FindSmall(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (flow, layers) = (network.Graph.Flow, network.Graph.Layers);
        return layers.Quantizers
            .Where(quantizer => quantizer.IsWeight && AreSmall(quantizer))
            .Select(quantizer => quantizer.Node)
            .ToHashSet<GraphNode>(ReferenceEqualityComparer.Instance);

        bool AreSmall(Quantizer weight)
        {
            var bytes = flow.Readers(weight.Output)
                .Select(reader => MaxByte(layers.Of(reader)))
                .DefaultIfEmpty(null)
                .ToList();
            if (bytes.Contains(null))
                return false;
            var integers = weight.Operator.Integers(network.Parameters[weight.Value], network.Parameters[weight.Scale]);
            return 2 * bytes.Max()!.Value * (long)integers.abs_().max().item<float>() <= short.MaxValue;
        }

        // Activations are stored with their smallest integer as 0.
        static int? MaxByte(Layer? layer) =>
            layer is { Operator.HasIntegerKernel: true, InputQuantizer.Operator.Range: var range }
                ? range.Maximum - range.Minimum
                : null;
    }
}
