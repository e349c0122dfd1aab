using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>
/// A run as one HTML file that needs nothing else: no network, no script, light and dark as the reader has it.
/// </summary>
internal static class HtmlReport
{
    /// <summary>Writes the report; the file is replaced whole or not at all.</summary>
    public static void Save(RunReport run, string path) => WholeFile.Write(path, Encoding.UTF8.GetBytes(Create(run)));

    /// <summary>The report.</summary>
    public static string Create(RunReport run)
    {
        var methods = run.Results.Rows
            .Where(row => row.Stage is "merged" or "quantized" or "adapted")
            .Select(row => row.Method)
            .Concat(run.Explanations.Select(explanation => explanation.Method))
            .Distinct()
            .ToList();
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
            {MergedSection.Create(run, methods)}
            {ClassSection.Create(run)}
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

    /// <summary>Names and colours.</summary>
    internal static Html Legend(IEnumerable<(string Name, int Color)> entries) =>
        Legend(entries.Select(entry => (entry.Name, ReportStyle.Color(entry.Color))));

    /// <summary>Names and colours, these as CSS.</summary>
    internal static Html Legend(IEnumerable<(string Name, string Color)> entries)
    {
        var items = entries.Select(entry => Html.Of($"<li><i style='background:{entry.Color}'></i>{entry.Name}</li>"));
        return Html.Of($"<ul class=\"legend\">{items}</ul>");
    }

    /// <summary>A bar whose full length is 1.</summary>
    internal static Html Bar(string name, double share, Html value, int color, string kind = "bar")
    {
        var width = double.IsFinite(share) ? 100 * Math.Clamp(share, 0, 1) : 0;
        var bar = Html.Of($"<u style=\"width:{width:0.##}%;background:{ReportStyle.Color(color)}\"></u>");
        return Html.Of($"<div class=\"{kind}\"><b>{name}</b>{bar}<span>{value}</span></div>\n");
    }

    /// <summary>A fraction in percent.</summary>
    internal static string Percent(double fraction) => (100 * fraction).ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>The bits of a row's network, such as W4A4; empty in full precision.</summary>
    internal static string Bits(ResultRow row) => (row.AverageWeightBits ?? row.WeightBits) is { } bits
        ? string.Create(CultureInfo.InvariantCulture, $"W{bits}A{row.ActivationBits}") : "";

    /// <summary>Says that values are means over seeds, where they are.</summary>
    /// <param name="groups">The rows behind each value.</param>
    internal static string OverSeeds(IEnumerable<IEnumerable<ResultRow>> groups) =>
        groups.Max(rows => rows.Select(row => row.Seed).Distinct().Count()) is > 1 and var seeds
            ? string.Create(CultureInfo.InvariantCulture, $", means over {seeds} seeds") : "";

    private static string Summary(RunReport run)
    {
        var quantized = run.Results.Rows.Where(row => row.Stage == "quantized").ToList();
        var seeds = quantized.Select(row => row.Seed).OfType<int>().Distinct().Order().ToList();
        var iterations = quantized.Select(row => row.Iterations).OfType<int>().Distinct().ToList();
        return $"{run.Task.Score} on the test images of {string.Join(", ", run.Domains)}. "
            + (run.Results.Rows.Count == 1 ? "1 network" : $"{run.Results.Rows.Count} networks")
            + (iterations.Count > 0 ? $", {string.Join(", ", iterations)} steps per block" : "")
            + (seeds.Count > 0 ? $", seed {string.Join(", ", seeds)}" : "") + ".";
    }

    private static Html Table(RunReport run)
    {
        var table = new HtmlTable("All networks",
        [
            new("method", IsText: true), new("for", IsText: true),
            .. run.Domains.Select(domain => new HtmlTable.Column(domain)), new("harmonic mean"), new("kB"),
        ]);
        foreach (var stage in run.Results.Rows.GroupBy(row => row.Stage))
        {
            table.AddHeading(stage.Key);
            foreach (var row in stage)
            {
                table.Add(
                [
                    $"{row.Method} {Bits(row)}".TrimEnd() + (row.KeptSource is { } why ? $", source kept: {why}" : ""),
                    row.Merged is null ? row.Domain ?? "" : string.Join(" + ", row.Merged),
                    .. run.Domains.Select(domain => Cell(row, domain)),
                    row.HarmonicMean is { } mean ? Percent(mean) : "",
                    Html.Of($"{row.Bytes / 1024.0:0}"),
                ]);
            }
        }
        return Html.Of($"""
            <h2>All networks</h2>
            <p>{run.Task.Score}, %; bold in the domains that a network is for.</p>
            {table.ToHtml()}
            """);
    }

    private static Html Cell(ResultRow row, string domain)
    {
        if (!row.Domains.TryGetValue(domain, out var score))
            return Html.Empty;
        var isOwn = row.Domain == domain || row.Merged?.Contains(domain) == true;
        return isOwn ? Html.Of($"<b>{Percent(score)}</b>") : Percent(score);
    }

    private static Html Histograms(RunReport run)
    {
        if (run.Histograms.Count == 0)
            return Html.Empty;
        return Html.Of($"""
            <h2>Values and their ranges</h2>
            <p>The inputs of the quantizers of {run.HistogramNetwork}: weights before quantization, and activations on
            test images. Heights are logarithmic; dashed lines are where values are clipped.</p>
            {Details(isWeight: true, "Weights", color: 0)}
            {Details(isWeight: false, "Activations", color: 2)}
            """);

        Html Details(bool isWeight, string title, int color)
        {
            var figures = run.Histograms
                .Where(histogram => histogram.IsWeight == isWeight)
                .Select(histogram => Figure(histogram, color))
                .ToList();
            return figures.Count == 0 ? Html.Empty : Html.Of($"""
                <details{(isWeight ? new Html(" open") : Html.Empty)}><summary>{title}</summary>
                <div class="grid small">{figures}</div></details>
                """);
        }

        static Html Figure(QuantizerHistogram histogram, int color)
        {
            var range = Html.Of($"<span>{histogram.Bits} bits, {100 * histogram.ClippedShare:0.##} % clipped</span>");
            return Html.Of($"""
                <figure><figcaption>{histogram.Name} {range}</figcaption>
                {SvgPlot.Histogram($"Values of {histogram.Name}", histogram, color)}</figure>

                """);
        }
    }
}
