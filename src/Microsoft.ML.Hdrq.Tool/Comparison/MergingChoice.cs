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
        new("second-round", (source, _) => MergingPlan.Standard(source)) { NeedsImages = true, TakesSource = true },
        new("distilled",
            (source, _) => MergingPlan.Standard(source) with { Refinement = MergeRefinement.Distillation })
        {
            NeedsImages = true,
            TakesSource = true,
        },
        new("mean", (_, _) => new MergeOptions { Method = MergeMethod.Mean() }),
        new("nearest", (_, _) => new MergeOptions { Method = MergeMethod.Mean(MergeRounding.Nearest) })
        {
            IsForIntegers = true,
        },
        new("scale-search", (_, _) => new MergeOptions { Method = MergeMethod.Mean(searchScales: true) })
        {
            IsForIntegers = true,
        },
        new("task-arithmetic", (source, _) => new MergeOptions { Method = MergeMethod.TaskArithmetic(source!) })
        {
            NeedsSource = true,
        },
        new("ties", (source, _) => new MergeOptions { Method = MergeMethod.Ties(source!) }) { NeedsSource = true },
        new("best-of-100",
            (_, seed) => new MergeOptions { Method = MergeMethod.Mean(MergeRounding.BestOf(100, seed)) })
        {
            IsForIntegers = true,
        },
    ];

    /// <summary>The way that is taken where there are images of all places.</summary>
    public static MergingPlan WithImages => All.First(way => way.NeedsImages);
}
