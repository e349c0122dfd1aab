using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>One way to merge networks.</summary>
/// <param name="Name">Its name on the command line, in results and in the names of networks.</param>
/// <param name="Options">How, for the source network and a seed.</param>
internal sealed record MergingPlan(string Name, Func<Network, int, MergeOptions> Options)
{
    /// <summary>The library's default.</summary>
    public static MergingPlan Default { get; } = new("default", (_, _) => new MergeOptions());

    /// <summary>
    /// Whether it is for quantized networks only: it concerns their integers, or what only quantizing keeps.
    /// </summary>
    public bool IsForIntegers { get; init; }

    /// <summary>Whether it looks at the source network.</summary>
    public bool NeedsSource { get; init; }

    /// <summary>Whether it looks at unlabelled images of all places.</summary>
    public bool NeedsImages { get; init; }
}
