using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>The results as a table for people.</summary>
internal static class ResultTable
{
    private const int ShortestName = 8;

    private const int ShortestDomain = 6;

    /// <summary>Draws the table.</summary>
    /// <param name="document">The results.</param>
    /// <param name="task">What was measured.</param>
    /// <param name="domains">The domains to show, in order.</param>
    /// <param name="targets">The domains that are served.</param>
    public static TextTable Create(
        ResultsDocument document, VisionTask task, IReadOnlyList<string> domains, IReadOnlyList<string> targets)
    {
        var table = new TextTable($"{task.Score}, %")
        {
            WhereTheRestIs = "Columns that do not fit here are in results.json and report.html, which --output keeps.",
        };
        table.Add(new TextTable.Column("for", MinimumWidth: ShortestName))
            .Add(new TextTable.Column("method", MinimumWidth: ShortestName));
        foreach (var domain in domains)
            table.Add(new TextTable.Column(domain, IsNumber: true, MinimumWidth: ShortestDomain, LeaveOut: 2));
        table.Add(new TextTable.Column("own", IsNumber: true))
            .Add(new TextTable.Column("kB", IsNumber: true, LeaveOut: 1));
        foreach (var stage in document.Rows.GroupBy(row => row.Stage))
        {
            table.AddHeading(stage.Key);
            foreach (var row in stage)
            {
                table.Add([
                    $"  {For(row, targets)}",
                    Network(row),
                    .. domains.Select(domain => Score(row, domain)),
                    Own(row) is { } own ? Percent(own) : "",
                    row.Bytes is { } bytes ? (bytes / 1024.0).ToString("N0", CultureInfo.InvariantCulture) : "",
                ]);
            }
        }
        return table;
    }

    /// <summary>What a row's network is: its method, its bits, and whether it is the source unchanged.</summary>
    public static string Network(ResultRow row) =>
        $"{row.Method} {Bits(row)}".TrimEnd() + (row.KeptSource is null ? "" : ", source kept");

    /// <summary>The bits of a row's network, such as W4A4.</summary>
    public static string Bits(ResultRow row) => row.WeightBits is null ? "" : $"W{row.WeightBits}A{row.ActivationBits}";

    /// <summary>A fraction in percent, with two decimals.</summary>
    public static string Percent(double fraction) => (100 * fraction).ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>
    /// On the domains that a network is for: the harmonic mean where these are several; null for the source.
    /// </summary>
    private static double? Own(ResultRow row) =>
        row.HarmonicMean
            ?? (row.Domain is not null && row.Domains.TryGetValue(row.Domain, out var score) ? score : null);

    private static string For(ResultRow row, IReadOnlyList<string> targets) => row.Merged is not { } merged
        ? row.Domain ?? ""
        : merged.Count == targets.Count && merged.Count > 2 ? $"all {merged.Count}" : string.Join("+", merged);

    private static TextTable.Cell Score(ResultRow row, string domain) => row.Domains.TryGetValue(domain, out var score)
        ? new TextTable.Cell(Percent(score), IsStrong: row.Merged?.Contains(domain) == true || row.Domain == domain)
            : "";
}
