using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>What a results file holds.</summary>
internal sealed record ResultsDocument
{
    /// <summary>The only schema version that is written and read.</summary>
    public const int CurrentSchemaVersion = 1;

    /// <summary>The version of the file's shape, <see cref="CurrentSchemaVersion"/> unless set.</summary>
    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>The task that was measured, such as <c>classification</c>.</summary>
    public required string Task { get; init; }

    /// <summary>The measured networks, in the order of the stages.</summary>
    public required IReadOnlyList<ResultRow> Rows { get; init; }

    /// <summary>
    /// The way of merging that charts show: the default, or the first where networks were not merged by it; null where
    /// none were merged.
    /// </summary>
    public string? ShownMerging() => Rows.Select(row => row.Merging).OfType<string>()
        .OrderBy(merging => merging == MergingPlan.Default.Name ? 0 : 1).FirstOrDefault();
}
