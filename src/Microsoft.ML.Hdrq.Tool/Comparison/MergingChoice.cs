using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>The ways of merging that can be compared.</summary>
internal static class MergingChoice
{
    /// <summary>All of them, the default first.</summary>
    public static IReadOnlyList<MergingPlan> All { get; } =
    [
        MergingPlan.Default,
        new("mean", false, false, (_, _) => new MergeOptions { Method = MergeMethod.Mean() }),
        new("nearest", true, false, (_, _) => new MergeOptions { Method = MergeMethod.Mean(MergeRounding.Nearest) }),
        new("scale-search", true, false, (_, _) => new MergeOptions { Method = MergeMethod.Mean(searchScales: true) }),
        new("task-arithmetic", false, true,
            (source, _) => new MergeOptions { Method = MergeMethod.TaskArithmetic(source) }),
        new("ties", false, true, (source, _) => new MergeOptions { Method = MergeMethod.Ties(source) }),
        new("best-of-100", true, false,
            (_, seed) => new MergeOptions { Method = MergeMethod.Mean(MergeRounding.BestOf(100, seed)) }),
    ];
}
