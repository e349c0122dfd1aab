using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
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
        var (flow, layers) = (network.Graph.Flow, network.Graph.Layers);
        return layers.Quantizers.Where(quantizer => quantizer.IsWeight && AreSmall(quantizer)).Select(quantizer => quantizer.Node).ToHashSet<GraphNode>(ReferenceEqualityComparer.Instance);

        bool AreSmall(Quantizer weight)
        {
            var greatest = flow.Readers(weight.Output).Select(reader => GreatestByte(layers.Of(reader))).DefaultIfEmpty(null).ToList();
            if (greatest.Contains(null))
                return false;
            var integers = weight.Operator.Integers(network.Parameters[weight.Value], network.Parameters[weight.Scale]);
            return 2 * greatest.Max()!.Value * (long)integers.abs_().max().item<float>() <= short.MaxValue;
        }

        // Activations are kept with their least integer as 0.
        static int? GreatestByte(Layer? layer) => layer is { Operator.HasIntegerKernel: true, InputQuantizer.Operator.Range: var range } ? range.Maximum - range.Minimum : null;
    }
}
