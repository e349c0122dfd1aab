using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>One way to merge networks.</summary>
/// <param name="Name">Its name on the command line, in results and in the names of networks.</param>
/// <param name="Options">How, for the source network, if it is known, and a seed.</param>
internal sealed record MergingPlan(string Name, Func<Network?, int, MergeOptions> Options)
{
    /// <summary>The library's default.</summary>
    public static MergingPlan Default { get; } = new("default", (source, _) => Standard(source))
    {
        TakesSource = true,
    };

    /// <summary>
    /// Whether it is for quantized networks only: it concerns their integers, or what only quantizing keeps.
    /// </summary>
    public bool IsForIntegers { get; init; }

    /// <summary>Whether it needs the source network.</summary>
    public bool NeedsSource { get; init; }

    /// <summary>Whether it uses the source network where it is known.</summary>
    public bool TakesSource { get; init; }

    /// <summary>Whether it looks at unlabelled images of all places.</summary>
    public bool NeedsImages { get; init; }

    /// <summary>The library's default method, with what it can know of the source network.</summary>
    public static MergeOptions Standard(Network? source) =>
        source is null ? new() : new() { Method = MergeMethod.AutomaticFrom(source) };
}
