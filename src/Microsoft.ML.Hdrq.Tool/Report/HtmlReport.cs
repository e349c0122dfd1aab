using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>A run as one HTML file that needs nothing else: no network, no script, light and dark as the reader has it.</summary>
internal static class HtmlReport
{
    /// <summary>Writes the report; the file is replaced whole or not at all.</summary>
    public static void Save(RunReport run, string path) => WholeFile.Write(path, Encoding.UTF8.GetBytes(Create(run)));

    /// <summary>The report.</summary>
    public static string Create(RunReport run)
    {
        var methods = run.Results.Rows.Where(row => row.Stage is "merged" or "quantized" or "adapted").Select(Method).Concat(run.Explanations.Select(explanation => explanation.Method)).Distinct().ToList();
        return Html.Of($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="icon" href="data:,">
            <title>One network for many domains</title>
            <style>{new Html(ReportStyle.Css)}</style>
            </head>
            <body>
            <main>
            <h1>One network for many domains</h1>
            <p class="soft">{Summary(run)}</p>
            {Merged(run, methods)}
            {Table(run)}
            {ExplanationSections.Lines(run, methods)}
            {ExplanationSections.Curvature(run)}
            {ExplanationSections.Layers(run, methods)}
            {Histograms(run)}
            {PredictionSection.Create(run)}
            </main>
            </body>
            </html>

            """).Text;
    }

    /// <summary>The method of a row, with its bits where these differ.</summary>
    internal static string Method(ResultRow row) => row.Method;

    /// <summary>Names and colours.</summary>
    internal static Html Legend(IEnumerable<(string Name, int Color)> entries) => Legend(entries.Select(entry => (entry.Name, ReportStyle.Color(entry.Color))));

    /// <summary>Names and colours, these as CSS.</summary>
    internal static Html Legend(IEnumerable<(string Name, string Color)> entries) => Html.Of($"""
        <ul class="legend">{entries.Select(entry => Html.Of($"<li><i style='background:{entry.Color}'></i>{entry.Name}</li>"))}</ul>
        """);

    internal static string Percent(double fraction) => (100 * fraction).ToString("0.00", CultureInfo.InvariantCulture);

    private static string Summary(RunReport run)
    {
        var quantized = run.Results.Rows.Where(row => row.Stage == "quantized").ToList();
        var seeds = quantized.Select(row => row.Seed).OfType<int>().Distinct().Order().ToList();
        var iterations = quantized.Select(row => row.Iterations).OfType<int>().Distinct().ToList();
        return $"{run.Task.Score} on the test images of {string.Join(", ", run.Domains)}. {run.Results.Rows.Count} networks"
            + (iterations.Count > 0 ? $", {string.Join(", ", iterations)} steps a block" : "") + (seeds.Count > 0 ? $", seed {string.Join(", ", seeds)}" : "") + ".";
    }

    private static Html Merged(RunReport run, List<string> methods)
    {
        var shown = run.Results.ShownMerging();
        var merged = run.Results.Rows.Where(row => row is { Stage: "merged", HarmonicMean: not null } && row.Merging == shown).ToList();
        if (merged.Count == 0)
            return Html.Empty;
        var groups = merged.GroupBy(row => string.Join(" + ", row.Merged!)).ToList();
        var bits = merged.Where(row => row.WeightBits is not null || row.AverageWeightBits is not null).ToList();
        var lines = bits.GroupBy(Family).Select(family => (Color(family.Key), (IReadOnlyList<(double, double)>)[.. family.GroupBy(Bits).OrderBy(points => points.Key).Select(points => (points.Key, 100 * points.Average(row => row.HarmonicMean!.Value)))])).ToList();
        return Html.Of($"""
            <h2>Merged networks</h2>
            <p>Harmonic mean of the {run.Task.Scores} in the merged domains, %. One network serves all of them.</p>
            <div class="grid">
            {groups.Select(group => Html.Of($"<figure><figcaption>{group.Key}</figcaption>{group.Select(row => Bar(Label(row), row.HarmonicMean!.Value, Percent(row.HarmonicMean!.Value), Color(Family(row))))}</figure>"))}
            {(lines.Count == 0 ? Html.Empty : Html.Of($"<figure><figcaption>Bits of the weights <span>against the mean over all merges</span></figcaption>{SvgPlot.Lines("Harmonic mean against bits", "bits of the weights", lines, value => value.ToString("0.##", CultureInfo.InvariantCulture))}{Legend(bits.Select(Family).Distinct().Select(family => (family, Color(family))))}</figure>"))}
            </div>
            """);

        int Color(string family) => Math.Max(0, methods.Select(Short).Distinct().ToList().IndexOf(Short(family)));

        static string Family(ResultRow row) => row.AverageWeightBits is null ? row.Method : "HDRQ, mixed bits";

        static string Short(string method) => method.StartsWith("HDRQ, ", StringComparison.Ordinal) ? "HDRQ, mixed bits" : method;

        static double Bits(ResultRow row) => row.AverageWeightBits ?? row.WeightBits ?? 32;

        static string Label(ResultRow row) => row.WeightBits is null ? row.Method : string.Create(CultureInfo.InvariantCulture, $"{row.Method} W{row.WeightBits}A{row.ActivationBits}");
    }

    /// <summary>A bar whose full length is 1.</summary>
    internal static Html Bar(string name, double share, string value, int color) =>
        Html.Of($"<div class='bar'><b>{name}</b><u style='width:{100 * Math.Clamp(share, 0, 1):0.##}%;background:{ReportStyle.Color(color)}'></u><span>{value}</span></div>");

    private static Html Table(RunReport run) => Html.Of($"""
        <h2>All networks</h2>
        <div class="scroll"><table>
        <tr><th>network</th><th>method</th><th>for</th><th>bits</th>{run.Domains.Select(domain => Html.Of($"<th>{domain}</th>"))}<th>harmonic mean</th><th>kB</th></tr>
        {run.Results.Rows.Select(row => Html.Of($"<tr><td>{row.Stage}</td><td>{row.Method}</td><td>{(row.Merged is null ? row.Domain : string.Join(" + ", row.Merged))}</td><td>{Bits(row)}</td>{run.Domains.Select(domain => Cell(row, domain))}<td>{(row.HarmonicMean is { } mean ? Percent(mean) : "")}</td><td>{row.Bytes / 1024.0:0}</td></tr>\n"))}
        </table></div>
        """);

    private static string Bits(ResultRow row) => row.WeightBits is null && row.AverageWeightBits is null ? "" : string.Create(CultureInfo.InvariantCulture, $"W{row.AverageWeightBits ?? row.WeightBits}A{row.ActivationBits}");

    private static Html Cell(ResultRow row, string domain)
    {
        if (!row.Domains.TryGetValue(domain, out var score))
            return Html.Of($"<td></td>");
        var isOwn = row.Domain == domain || row.Merged?.Contains(domain) == true;
        return isOwn ? Html.Of($"<td><b>{Percent(score)}</b></td>") : Html.Of($"<td>{Percent(score)}</td>");
    }

    private static Html Histograms(RunReport run) => run.Histograms.Count == 0 ? Html.Empty : Html.Of($"""
        <h2>Values and their ranges</h2>
        <p>What goes into the quantizers of {run.HistogramNetwork}: weights as they were before quantizing, and activations on test images. Heights are logarithmic; dashed lines are where values are clipped.</p>
        {new[] { true, false }.Select(isWeight => Html.Of($"""
            <details{(isWeight ? new Html(" open") : Html.Empty)}><summary>{(isWeight ? "Weights" : "Activations")}</summary><div class="grid small">
            {run.Histograms.Where(histogram => histogram.IsWeight == isWeight).Select(histogram => Html.Of($"<figure><figcaption>{histogram.Name} <span>{histogram.Bits} bits, {100 * histogram.ClippedShare:0.##} % clipped</span></figcaption>{SvgPlot.Histogram($"Values of {histogram.Name}", histogram.Counts, histogram.Start, histogram.End, histogram.Minimum, histogram.Maximum, isWeight ? 0 : 2)}</figure>\n"))}
            </div></details>
            """))}
        """);
}
