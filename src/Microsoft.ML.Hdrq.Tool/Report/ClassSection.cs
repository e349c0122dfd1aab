using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>The part of a report that says how well merged networks do class by class.</summary>
internal static class ClassSection
{
    /// <summary>Only segmentation has scores of classes.</summary>
    private const string Title = "IoU by class";

    /// <summary>
    /// The table of the networks that were merged for the most domains; nothing where no merged network was measured by
    /// class.
    /// </summary>
    public static Html Create(RunReport run)
    {
        var shown = run.Results.ShownMerging();
        var measured = run.Results.Rows
            .Where(row => row is { Merged: not null, Classes: not null } && row.Merging == shown)
            .ToList();
        if (measured.MaxBy(row => row.Merged!.Count)?.Merged is not { } group)
            return Html.Empty;
        var methods = measured
            .Where(row => row.Merged!.SequenceEqual(group))
            .GroupBy(row => $"{row.Method} {HtmlReport.Bits(row)}".TrimEnd())
            .ToList();
        var table = new HtmlTable(
            Title, [new("class", IsText: true), .. methods.Select(method => new HtmlTable.Column(method.Key))]);
        foreach (var domain in group)
        {
            table.AddHeading(domain);
            var classes = methods
                .SelectMany(method => method)
                .SelectMany(row => row.Classes!.GetValueOrDefault(domain)?.Keys.AsEnumerable() ?? [])
                .Distinct();
            foreach (var name in classes)
            {
                var scores = methods.Select(
                    method => Cell(method, row => Score(row.Classes!.GetValueOrDefault(domain), name)));
                table.Add([name, .. scores]);
            }
            table.Add([
                Html.Of($"<b>{run.Task.Score}</b>"),
                .. methods.Select(method => Html.Of($"<b>{Cell(method, row => Score(row.Domains, domain))}</b>")),
            ]);
        }
        return Html.Of($"""
            <h2>{Title}</h2>
            <p>Of the networks merged for {string.Join(", ", group)}, on the test images of each of these domains,
            %{HtmlReport.OverSeeds(methods)}. Classes that a domain's test images do not show are left out.</p>
            {table.ToHtml()}
            """);
    }

    private static double? Score(OrderedDictionary<string, double>? scores, string name) =>
        scores is not null && scores.TryGetValue(name, out var score) ? score : null;

    /// <summary>The mean over the seeds of a method; empty where none has the value.</summary>
    private static Html Cell(IEnumerable<ResultRow> rows, Func<ResultRow, double?> value) =>
        rows.Average(value) is { } mean ? HtmlReport.Percent(mean) : Html.Empty;
}
