using System.Globalization;
using Spectre.Console;

namespace Hdrq.Samples.Results;

/// <summary>The results as a table for people.</summary>
internal static class ResultTable
{
    /// <summary>Draws the table.</summary>
    /// <param name="document">The results.</param>
    /// <param name="task">What was measured.</param>
    /// <param name="domains">The domains to show, in order.</param>
    public static Table Create(ResultsDocument document, SampleTask task, IReadOnlyList<string> domains)
    {
        var table = new Table { Title = new TableTitle($"{task.Score}, % (merged networks: bold where the domain was merged)") }
            .AddColumns("Stage", "Method", "Bits", "For");
        foreach (var column in domains.Append("Harmonic mean").Append("Bytes"))
            table.AddColumn(new TableColumn(Markup.Escape(column)).RightAligned());
        foreach (var row in document.Rows)
        {
            table.AddRow([
                row.Stage,
                Markup.Escape(row.Method),
                Bits(row),
                Markup.Escape(row.Merged is null ? row.Domain ?? "" : string.Join(" + ", row.Merged)),
                .. domains.Select(domain => Score(row, domain)),
                row.HarmonicMean is { } mean ? Percent(mean) : "",
                row.Bytes?.ToString("N0", CultureInfo.InvariantCulture) ?? "",
            ]);
        }
        return table;
    }

    private static string Score(ResultRow row, string domain)
    {
        if (!row.Domains.TryGetValue(domain, out var score))
            return "";
        return row.Merged?.Contains(domain) == true || row.Domain == domain ? $"[bold]{Percent(score)}[/]" : Percent(score);
    }

    /// <summary>The bits of a row's network, such as W4A4.</summary>
    public static string Bits(ResultRow row) => row.WeightBits is null ? "" : $"W{row.WeightBits}A{row.ActivationBits}";

    /// <summary>A fraction in percent, with two decimals.</summary>
    public static string Percent(double fraction) => (100 * fraction).ToString("0.00", CultureInfo.InvariantCulture);
}
