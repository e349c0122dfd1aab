using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges by RegMean where all networks carry Gram matrices of their layers' inputs, otherwise by the mean.
/// </summary>
internal sealed class AutomaticMergeMethod : MergeMethod
{
    public override string Name => "automatic";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks) =>
        For(networks).Prepare(graph, networks);

    internal override MergeMethod For(IReadOnlyList<MergeInput> networks) =>
        networks.All(network => InputGrams.AreIn(network.Metadata)) ? RegMean() : MeanMergeMethod.Default;
}
