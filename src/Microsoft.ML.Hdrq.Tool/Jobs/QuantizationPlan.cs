using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>One way to quantize all adapted networks.</summary>
/// <param name="Name">What the names of its networks begin with.</param>
/// <param name="Method">The method's name in the results.</param>
/// <param name="Options">How; source and progress are filled in.</param>
/// <param name="Seed">The seed.</param>
/// <param name="AverageBits">
/// The average bits of all weights but those of the first and the last layer, which have 8, shared out among layers;
/// null where all have those of the options.
/// </param>
/// <param name="Basis">By what they are shared out.</param>
internal sealed record QuantizationPlan(
    string Name, string Method, QuantizationOptions Options, int Seed, double? AverageBits = null,
    BitAllocationBasis Basis = BitAllocationBasis.SourceWeights)
{
    /// <summary>The options for a network.</summary>
    public QuantizationOptions For(Network network)
    {
        if (AverageBits is not { } average)
            return Options;
        var layers = OnnxReport.Of(network).Layers.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var weights = network.Graph.Nodes.Where(node => layers.Contains(node.Name))
            .Select(node => (double)network.Parameters[node.Inputs[1]].numel()).ToList();
        var size = (long)Math.Ceiling(
            (8 * (weights[0] + weights[^1]) + average * weights.Skip(1).SkipLast(1).Sum()) / 8);
        return Options with { BitBudget = new() { TargetSize = size, Basis = Basis } };
    }
}
