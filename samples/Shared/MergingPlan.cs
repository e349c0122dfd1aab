using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Hdrq.Samples;

/// <summary>One way to merge networks.</summary>
/// <param name="Name">Its name on the command line, in results and in the names of networks.</param>
/// <param name="IsForIntegers">Whether it is for quantized networks only: it concerns their integers, or what only quantizing keeps.</param>
/// <param name="Options">How, for the source network and a seed.</param>
internal sealed record MergingPlan(string Name, bool IsForIntegers, Func<Network, int, MergeOptions> Options)
{
    /// <summary>The library's default.</summary>
    public static MergingPlan Default { get; } = new("default", false, (_, _) => new MergeOptions());
}
