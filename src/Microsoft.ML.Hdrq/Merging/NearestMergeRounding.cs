namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Rounds every weight to nearest, half to even.</summary>
internal sealed class NearestMergeRounding : MergeRounding
{
    internal override int[] Round(MergedWeight weight, int layer) => weight.Nearest();
}
