namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Every weight to its nearest integer, half-way to the even one.</summary>
internal sealed class NearestMergeRounding : MergeRounding
{
    internal override int[] Round(MergedWeight weight, int layer) => weight.Nearest();
}
