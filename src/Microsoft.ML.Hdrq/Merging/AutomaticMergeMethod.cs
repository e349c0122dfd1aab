using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges by RegMean where all networks carry Gram matrices of their layers' inputs, or, in full precision, what the
/// source has learned stands for them; otherwise by the mean.
/// </summary>
/// <param name="source">The network that all descend from; null if it is not known.</param>
internal sealed class AutomaticMergeMethod(Network? source = null) : MergeMethod
{
    public override string Name => "automatic";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks) =>
        For(networks).Prepare(graph, networks);

    internal override MergeMethod For(IReadOnlyList<MergeInput> networks) =>
        networks.All(network => InputGrams.AreIn(network.Metadata)) ? RegMean()
            // Differences of quantized networks are mostly what rounding made; they merge worse than by their mean.
            : source is not null && networks[0].Graph.Layers.Quantizers.IsEmpty
                ? new RegMeanMergeMethod(RegMeanMergeMethod.StandardCorrelation, source)
            : MeanMergeMethod.Default;
}
