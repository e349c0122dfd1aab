using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>
/// What a comparison gives, as Markdown tables and as charts. Scores are means over seeds, with the sample standard
/// deviation after the sign ±.
/// </summary>
internal sealed class ComparisonReport
{
    private const string FullPrecision = "FP32";

    private readonly VisionTask _task;
    private readonly IReadOnlyList<ResultRow> _rows;
    private readonly string? _shownMerging;
    private readonly List<string> _domains;
    private readonly List<string> _groups;
    private readonly List<(int Weights, int Activations)> _bits;

    /// <param name="document">The results, of which there may be only some yet.</param>
    /// <param name="task">What was measured.</param>
    public ComparisonReport(ResultsDocument document, VisionTask task)
    {
        _task = task;
        _rows = document.Rows;
        _shownMerging = document.ShownMerging();
        _domains = [.. _rows.Where(row => row.Domain is not null).Select(row => row.Domain!).Distinct()];
        _groups = [.. _rows.Select(Group).OfType<string>().Distinct()];
        _bits = [.. _rows.Where(row => row.WeightBits is not null).Select(Bits).Distinct().OrderDescending()];
    }

    /// <summary>The tables.</summary>
    public string ToMarkdown()
    {
        var seeds = _rows.Where(row => row.WeightBits is not null).Select(row => row.Seed).Distinct().Count();
        var text = new StringBuilder();
        // One seed has no deviation.
        text.Append(CultureInfo.InvariantCulture,
            $"{_task.Score}, %{(seeds > 1 ? $"; mean ± sample standard deviation over {seeds} seeds" : "")}.\n");
        foreach (var bits in _bits)
        {
            var name = Name(bits);
            Table(
                text, $"{name}: each network on its own domain", ["Method", .. _domains, "mean"], isMerged: false,
                Methods(bits, row => row.Merged is null && row.Domain is not null),
                (method, _) =>
                [
                    .. _domains.Select(domain =>
                        Statistics(bits, method, null, row => row.Domain == domain, row => row.Domains[domain])),
                    Statistics(
                        bits, method, null, row => row.Domain is not null && row.Merged is null,
                        row => row.Domains[row.Domain!]),
                ]);
            Table(
                text, $"{name}: merged, harmonic mean of the merged domains",
                ["Method", "Merged by", .. _groups, "mean"], isMerged: true,
                Methods(bits, row => row.Merged is not null),
                (method, merging) =>
                [
                    .. _groups.Select(group => Merged(bits, method, merging, group)),
                    Merged(bits, method, merging, null),
                ]);
            foreach (var group in _groups)
            {
                var domains = Domains(group);
                Table(
                    text, $"{name}: {MarkdownText.Of(group)}, domain by domain",
                    ["Method", "Merged by", .. domains], isMerged: true,
                    Methods(bits, row => Group(row) == group),
                    (method, merging) => [.. domains.Select(domain => Merged(bits, method, merging, group, domain))]);
            }
        }
        return text.ToString();
    }

    /// <summary>
    /// The charts, by the names of their files without extension, for networks that were merged in the default way:
    /// harmonic means against bits where there are several bit settings, as bars where there is one; and each merge
    /// domain by domain.
    /// </summary>
    public IEnumerable<(string File, Chart Chart)> Charts()
    {
        var methods = _rows
            .Where(row => row.Merging == _shownMerging && row.WeightBits is not null)
            .Select(row => row.Method)
            .Distinct()
            .ToList();
        if (methods.Count == 0)
            yield break;
        if (HarmonicMeans(methods) is { } means)
            yield return ("harmonic-mean", means);
        foreach (var bits in _bits)
        {
            foreach (var group in _groups)
            {
                var domains = Domains(group);
                var bars = Bars(methods.Prepend(FullPrecision).Select(method => new ChartBars(
                    method, [.. domains.Select(domain => Merged(bits, method, _shownMerging, group, domain)?.Mean)])));
                if (bars.Count == 0)
                    continue;
                var chart = new GroupedBarChart($"{Name(bits)}: {group} in one network", [.. domains], bars)
                {
                    ValueTitle = $"{_task.Score}, %",
                    ShowValues = true,
                };
                yield return (FileNames.Of($"domains-{Name(bits).ToLowerInvariant()}-{group}"), chart);
            }
        }
    }

    /// <summary>The harmonic means of all merges; null where nothing was merged yet.</summary>
    private Chart? HarmonicMeans(IReadOnlyList<string> methods)
    {
        const string title = "One network for several domains";
        var value = $"Harmonic mean of {_task.Scores}, %";
        var lines = methods.Select(Line).ToList();
        if (lines.Exists(line => line.Points.DistinctBy(point => point.X).Count() > 1))
        {
            var isEqual = _bits.TrueForAll(bits => bits.Weights == bits.Activations);
            return new LineChart(title, lines)
            {
                ValueTitle = value,
                ArgumentTitle = isEqual ? "Bits of weights and activations" : "Bits, mean of weights and activations",
                Percent = false,
            };
        }
        var bars = Bars(
        [
            HarmonicMeans(FullPrecision, _bits[0], FullPrecision),
            .. from bits in _bits
               from method in methods
               select HarmonicMeans($"{method} {Name(bits)}", bits, method),
        ]);
        return bars.Count == 0 ? null
            : new GroupedBarChart(title, _groups, bars) { ValueTitle = value, ShowValues = true };
    }

    private ChartBars HarmonicMeans(string name, (int, int) bits, string method) =>
        new(name, [.. _groups.Select(group => Merged(bits, method, _shownMerging, group)?.Mean)]);

    private ChartLine Line(string method) => new(method,
    [
        .. from bits in _bits
           let value = Merged(bits, method, _shownMerging, null)
           where value is not null
           orderby bits
           select new ChartPoint((bits.Weights + bits.Activations) / 2.0, value.Value.Mean, value.Value.Deviation),
    ]);

    /// <summary>Those of the bars that have a value.</summary>
    private static List<ChartBars> Bars(IEnumerable<ChartBars> bars) =>
        [.. bars.Where(bar => bar.Values.Any(value => value is not null))];

    private static void Table(
        StringBuilder text, string title, IReadOnlyList<string> header, bool isMerged,
        IReadOnlyList<(string Method, string? Merging)> methods,
        Func<string, string?, IReadOnlyList<SeedStatistics?>> values)
    {
        if (methods.Count == 0)
            return;
        text.Append(CultureInfo.InvariantCulture, $"\n**{title}**\n\n");
        Row(text, header.Select(MarkdownText.Of));
        text.Append(
            CultureInfo.InvariantCulture,
            $"|{string.Join('|', header.Select((_, column) => column < (isMerged ? 2 : 1) ? "---" : "--:"))}|\n");
        foreach (var (method, merging) in methods)
        {
            var names = isMerged ? [method, merging ?? ""] : new[] { method };
            var cells = values(method, merging).Select(value => value?.ToString() ?? "");
            Row(text, [.. names.Select(MarkdownText.Of), .. cells]);
        }
    }

    private static void Row(StringBuilder text, IEnumerable<string> cells) =>
        text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", cells)} |\n");

    private IReadOnlyList<(string Method, string? Merging)> Methods((int, int) bits, Func<ResultRow, bool> isOf) =>
        [.. _rows.Where(row => isOf(row) && IsOf(row, bits)).Select(row => (row.Method, row.Merging)).Distinct()];

    /// <summary>The harmonic mean, or the score in a domain, of the networks merged for a group, or for all.</summary>
    private SeedStatistics? Merged(
        (int, int) bits, string method, string? merging, string? group, string? domain = null) =>
        Statistics(
            bits, method, merging, row => row.Merged is not null && (group is null || Group(row) == group),
            row => domain is null ? row.HarmonicMean!.Value : row.Domains[domain]);

    /// <summary>The mean over seeds of the mean over the rows of a seed.</summary>
    private SeedStatistics? Statistics(
        (int, int) bits, string method, string? merging, Func<ResultRow, bool> isOf, Func<ResultRow, double> value) =>
        SeedStatistics.Of(
        [
            .. _rows
                .Where(row => row.Method == method && row.Merging == merging && IsOf(row, bits) && isOf(row))
                .GroupBy(row => row.Seed)
                .Select(rows => rows.Average(value)),
        ]);

    /// <summary>Full precision is shown beside all bit widths.</summary>
    private static bool IsOf(ResultRow row, (int, int) bits) =>
        row.Method == FullPrecision || (row.WeightBits is not null && Bits(row) == bits);

    private IReadOnlyList<string> Domains(string group) => _rows.First(row => Group(row) == group).Merged!;

    private static string? Group(ResultRow row) => row.Merged is null ? null : string.Join('+', row.Merged);

    private static (int Weights, int Activations) Bits(ResultRow row) =>
        (row.WeightBits!.Value, row.ActivationBits!.Value);

    private static string Name((int Weights, int Activations) bits) =>
        string.Create(CultureInfo.InvariantCulture, $"W{bits.Weights}A{bits.Activations}");
}
