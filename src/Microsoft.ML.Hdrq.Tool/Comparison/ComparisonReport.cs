using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>What a comparison gives, as Markdown tables and as charts. Scores are means over seeds, with the sample standard deviation after the sign ±.</summary>
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
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{_task.Score}, %; mean ± sample standard deviation over {_rows.Where(row => row.WeightBits is not null).Select(row => row.Seed).Distinct().Count()} seeds.\n");
        foreach (var bits in _bits)
        {
            var name = Name(bits);
            Table(text, $"{name}: each network on its own domain", ["Method", .. _domains, "mean"],
                Methods(bits, row => row.Merged is null && row.Domain is not null), (method, _) =>
                [
                    .. _domains.Select(domain => Statistics(bits, method, null, row => row.Domain == domain, row => row.Domains[domain])),
                    Statistics(bits, method, null, row => row.Domain is not null && row.Merged is null, row => row.Domains[row.Domain!]),
                ], withMerging: false);
            Table(text, $"{name}: merged, harmonic mean of the merged domains", ["Method", "Merged by", .. _groups, "mean"],
                Methods(bits, row => row.Merged is not null), (method, merging) =>
                [
                    .. _groups.Select(group => Statistics(bits, method, merging, row => Group(row) == group, row => row.HarmonicMean!.Value)),
                    Statistics(bits, method, merging, row => row.Merged is not null, row => row.HarmonicMean!.Value),
                ], withMerging: true);
            foreach (var group in _groups)
            {
                var domains = _rows.First(row => Group(row) == group).Merged!;
                Table(text, $"{name}: {group}, domain by domain", ["Method", "Merged by", .. domains], Methods(bits, row => Group(row) == group),
                    (method, merging) => [.. domains.Select(domain => Statistics(bits, method, merging, row => Group(row) == group, row => row.Domains[domain]))], withMerging: true);
            }
        }
        return text.ToString();
    }

    /// <summary>The charts, by the names of their files without extension, for networks that were merged in the default way.</summary>
    public IEnumerable<(string File, Chart Chart)> Charts()
    {
        var methods = _rows.Where(row => IsShown(row) && row.WeightBits is not null).Select(row => row.Method).Distinct().ToList();
        if (methods.Count == 0)
            yield break;
        var isEqual = _bits.TrueForAll(bits => bits.Weights == bits.Activations);
        yield return ("harmonic-mean", new LineChart("One network for several domains", [.. methods.Select(Line)])
        {
            ValueTitle = $"Harmonic mean of {_task.Scores}, %",
            ArgumentTitle = isEqual ? "Bits of weights and activations" : "Bits, mean of weights and activations",
            Percent = false,
        });
        foreach (var bits in _bits)
        {
            foreach (var group in _groups)
            {
                var domains = _rows.First(row => Group(row) == group).Merged!;
                var bars = methods.Prepend(FullPrecision).Select(method => new ChartBars(method, [.. domains.Select(domain => Statistics(bits, method, _shownMerging, row => Group(row) == group, row => row.Domains[domain])?.Mean)]))
                    .Where(bar => bar.Values.Any(value => value is not null)).ToList();
                if (bars.Count > 0)
                    yield return (FileNames.Of($"domains-{Name(bits).ToLowerInvariant()}-{group}"), new GroupedBarChart($"{Name(bits)}: {group} in one network", [.. domains], bars) { ValueTitle = $"{_task.Score}, %", ShowValues = true });
            }
        }

        ChartLine Line(string method) => new(method,
        [
            .. from bits in _bits
               let value = Statistics(bits, method, _shownMerging, row => row.Merged is not null, row => row.HarmonicMean!.Value)
               where value is not null
               orderby bits
               select new ChartPoint((bits.Weights + bits.Activations) / 2.0, value.Value.Mean, value.Value.Deviation),
        ]);
    }

    private static void Table(StringBuilder text, string title, IReadOnlyList<string> header, IReadOnlyList<(string Method, string? Merging)> methods, Func<string, string?, IReadOnlyList<SeedStatistics?>> values, bool withMerging)
    {
        if (methods.Count == 0)
            return;
        text.Append(CultureInfo.InvariantCulture, $"\n**{title}**\n\n| {string.Join(" | ", header)} |\n|{string.Join('|', header.Select((_, column) => column < (withMerging ? 2 : 1) ? "---" : "--:"))}|\n");
        foreach (var (method, merging) in methods)
        {
            var cells = values(method, merging).Select(value => value?.ToString() ?? "");
            text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", withMerging ? [method, merging ?? "", .. cells] : [method, .. cells])} |\n");
        }
    }

    private IReadOnlyList<(string Method, string? Merging)> Methods((int, int) bits, Func<ResultRow, bool> isOf) =>
        [.. _rows.Where(row => isOf(row) && IsOf(row, bits)).Select(row => (row.Method, row.Merging)).Distinct()];

    /// <summary>The mean over seeds of the mean over the rows of a seed.</summary>
    private SeedStatistics? Statistics((int, int) bits, string method, string? merging, Func<ResultRow, bool> isOf, Func<ResultRow, double> value) => SeedStatistics.Of(
        [.. _rows.Where(row => row.Method == method && row.Merging == merging && IsOf(row, bits) && isOf(row)).GroupBy(row => row.Seed).Select(rows => rows.Average(value))]);

    /// <summary>Full precision is shown beside all bit widths.</summary>
    private static bool IsOf(ResultRow row, (int, int) bits) => row.Method == FullPrecision || row.WeightBits is not null && Bits(row) == bits;

    private bool IsShown(ResultRow row) => row.Merging == _shownMerging;

    private static string? Group(ResultRow row) => row.Merged is null ? null : string.Join('+', row.Merged);

    private static (int Weights, int Activations) Bits(ResultRow row) => (row.WeightBits!.Value, row.ActivationBits!.Value);

    private static string Name((int Weights, int Activations) bits) => string.Create(CultureInfo.InvariantCulture, $"W{bits.Weights}A{bits.Activations}");
}
