using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>What merging costs, method by method, as a chart.</summary>
internal static class ResultChart
{
    /// <summary>The chart of the merged networks' harmonic means; null where nothing was merged.</summary>
    public static Chart? Create(ResultsDocument document, VisionTask task)
    {
        var merged = document.Rows.Where(row => row is { Merged: not null, HarmonicMean: not null }).ToList();
        if (merged.Count == 0)
            return null;
        var groups = merged.Select(Group).Distinct().ToList();
        var bars = merged.GroupBy(
            Method, (method, rows) =>
                new ChartBars(
                    method, [.. groups.Select(
                        group => 100 * rows.FirstOrDefault(row => Group(row) == group)?.HarmonicMean)]));
        return new GroupedBarChart(
            "One network for several domains", groups, [.. bars])
        {
            ValueTitle = $"Harmonic mean of {task.Scores}, %",
            ShowValues = true
        };
    }

    private static string Group(ResultRow row) => string.Join(" + ", row.Merged!);

    private static string Method(ResultRow row) =>
        row.WeightBits is null ? row.Method
            : string.Create(CultureInfo.InvariantCulture, $"{row.Method} W{row.WeightBits}A{row.ActivationBits}");
}
