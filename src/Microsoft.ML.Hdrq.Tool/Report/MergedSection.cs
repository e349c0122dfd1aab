using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>The part of a report that compares merged networks.</summary>
internal static class MergedSection
{
    private const string MixedBits = "HDRQ, mixed bits";

    /// <summary>
    /// Bars for every merge, and the mean over all merges: against bits where a method has several bit settings,
    /// otherwise as bars where there are several merges.
    /// </summary>
    public static Html Create(RunReport run, IReadOnlyList<string> methods)
    {
        var shown = run.Results.ShownMerging();
        var merged = run.Results.Rows
            .Where(row => row is { Stage: "merged", HarmonicMean: not null } && row.Merging == shown)
            .ToList();
        if (merged.Count == 0)
            return Html.Empty;
        var families = methods.Select(Short).Distinct().ToList();
        var groups = merged.GroupBy(row => string.Join(" + ", row.Merged!)).ToList();
        var values = groups.SelectMany(group => group.GroupBy(Label));
        var lines = Lines(merged);
        var all = lines.Count > 0 ? AgainstBits()
            : groups.Count > 1 ? Bars("Mean over all merges", merged) : Html.Empty;
        return Html.Of($"""
            <h2>Merged networks</h2>
            <p>Harmonic mean of the {run.Task.Scores} in the merged domains,
            %{HtmlReport.OverSeeds(values)}. One network serves all of them.</p>
            <div class="grid">
            {groups.Select(group => Bars(group.Key, group))}
            {all}
            </div>
            """);

        int Color(string family) => Math.Max(0, families.IndexOf(Short(family)));

        Html Bars(string title, IEnumerable<ResultRow> rows)
        {
            var bars = rows.GroupBy(Label).Select(label =>
            {
                var mean = label.Average(row => row.HarmonicMean!.Value);
                return HtmlReport.Bar(label.Key, mean, HtmlReport.Percent(mean), Color(Family(label.First())));
            });
            return Html.Of($"<figure><figcaption>{title}</figcaption>{bars}</figure>");
        }

        Html AgainstBits()
        {
            var plot = SvgPlot.Lines(
                "Harmonic mean against bits", "bits of the weights",
                [.. lines.Select(line => (Color(line.Family), line.Points))],
                bits => bits.ToString("0.##", CultureInfo.InvariantCulture));
            return Html.Of($"""
                <figure><figcaption>Bits of the weights <span>against the mean over all merges</span></figcaption>
                {plot}{HtmlReport.Legend(lines.Select(line => (line.Family, Color(line.Family))))}</figure>
                """);
        }
    }

    /// <summary>
    /// The mean over all merges of each method, in percent, by the bits of the weights; empty where no method has two
    /// bit settings, as dots in a column show nothing that bars do not show better.
    /// </summary>
    private static List<(string Family, IReadOnlyList<(double X, double Y)> Points)> Lines(
        IEnumerable<ResultRow> merged)
    {
        var lines = merged
            .Where(row => row.WeightBits is not null || row.AverageWeightBits is not null)
            .GroupBy(Family)
            .Select(family => (family.Key, Points: (IReadOnlyList<(double, double)>)
            [
                .. from row in family
                   group 100 * row.HarmonicMean!.Value by row.AverageWeightBits ?? row.WeightBits!.Value into bits
                   orderby bits.Key
                   select (bits.Key, bits.Average()),
            ]))
            .ToList();
        return lines.Exists(line => line.Points.Count > 1) ? lines : [];
    }

    private static string Family(ResultRow row) => row.AverageWeightBits is null ? row.Method : MixedBits;

    private static string Short(string method) =>
        method.StartsWith("HDRQ, ", StringComparison.Ordinal) ? MixedBits : method;

    private static string Label(ResultRow row) =>
        row.WeightBits is null ? row.Method : $"{row.Method} {HtmlReport.Bits(row)}";
}
