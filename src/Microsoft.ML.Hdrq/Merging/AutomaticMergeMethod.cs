using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>What the networks have all that it needs for.</summary>
internal sealed class AutomaticMergeMethod : MergeMethod
{
    internal override string Name => "automatic";

    internal override MergeMethod For(IReadOnlyList<MergeSource> sources, MergeOptions options) =>
        options.Rounding == MergeRounding.Balanced && sources.All(source => InputGrams.AreIn(source.Metadata)) ? RegMean() : Mean;

    internal override Func<ParameterDefinition, MergeTarget?>? Prepare(Graph graph, IReadOnlyList<MergeSource> sources) => throw new InvalidOperationException("What it stands for prepares.");
}
