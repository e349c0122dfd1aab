using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Merges by the weighted mean, which needs no preparation.</summary>
/// <param name="rounding">How means of quantized weights become integers.</param>
/// <param name="searchScales">Whether the scales of quantized weights are searched.</param>
internal sealed class MeanMergeMethod(MergeRounding rounding, bool searchScales) : MergeMethod
{
    /// <summary>The mean with default settings, for parameters that other methods leave to the mean.</summary>
    public static MeanMergeMethod Default { get; } = new(MergeRounding.Balanced, searchScales: false);

    public MergeRounding Rounding => rounding;

    public bool SearchScales => searchScales;

    public override string Name => "mean";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks) => _ => null;
}
