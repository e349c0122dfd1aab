using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>The weighted mean, which needs no preparation.</summary>
internal sealed class MeanMergeMethod : MergeMethod
{
    internal override string Name => "mean";

    internal override Func<ParameterDefinition, MergeTarget?>? Prepare(Graph graph, IReadOnlyList<MergeSource> sources) => null;
}
