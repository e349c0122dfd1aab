using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>One way to merge networks.</summary>
/// <param name="Name">Its name on the command line, in results and in the names of networks.</param>
/// <param name="IsForIntegers">
/// Whether it is for quantized networks only: it concerns their integers, or what only quantizing keeps.
/// </param>
/// <param name="NeedsSource">Whether it looks at the source network.</param>
/// <param name="Options">How, for the source network and a seed.</param>
internal sealed record MergingPlan(
    string Name, bool IsForIntegers, bool NeedsSource, Func<Network, int, MergeOptions> Options)
{
    /// <summary>The library's default.</summary>
    public static MergingPlan Default { get; } = new("default", false, false, (_, _) => new MergeOptions());
}
