using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Comparison;

[TestClass]
public sealed class ComparisonReportTests
{
    private static readonly VisionTask Task = VisionTask.Classification;

    [TestMethod]
    public void Means_and_deviations_over_seeds_by_hand()
    {
        var report = new ComparisonReport(Document(), Task).ToMarkdown().Split('\n');

        // 70, 72 and 77: mean 73, differences -3, -1 and 4, so sqrt(26 / 2) = 3.6. Both domains: 65, 66.5 and 69.5, so
        // 67 and sqrt(10.5 / 2) = 2.3.
        CollectionAssert.Contains(report, "| QDrop | 73.0 ± 3.6 | 61.0 ± 1.0 | 67.0 ± 2.3 |");
        CollectionAssert.Contains(report, "| FP32 | 80.0 | 70.0 | 75.0 |");
        CollectionAssert.Contains(report, "| QDrop | default | 50.0 ± 10.0 | 50.0 ± 10.0 |");
        CollectionAssert.Contains(report, "| QDrop | nearest | 30.0 | 30.0 |");
        CollectionAssert.Contains(report, "| QDrop | default | 45.0 ± 5.0 | 60.0 ± 20.0 |");
        CollectionAssert.Contains(report, "**W4A4: each network on its own domain**");
        CollectionAssert.Contains(report, "**W3A3: merged, harmonic mean of the merged domains**");
        Assert.AreEqual("Top-1 accuracy, %; mean ± sample standard deviation over 3 seeds.", report[0]);
    }

    [TestMethod]
    public void One_seed_is_no_mean_over_seeds()
    {
        var all = Document();
        var one = all with { Rows = [.. all.Rows.Where(row => row.Seed is null or 1)] };
        var report = new ComparisonReport(one, Task).ToMarkdown().Split('\n');
        Assert.AreEqual("Top-1 accuracy, %.", report[0]);
        CollectionAssert.Contains(report, "| QDrop | 70.0 | 60.0 | 65.0 |");
    }

    [TestMethod]
    public void There_is_a_chart_over_bits_and_one_for_each_merge_and_bit_width()
    {
        var charts = new ComparisonReport(Document(), Task).Charts().ToList();
        CollectionAssert.AreEqual(new[] { "harmonic-mean", "domains-w4a4-fog+night", "domains-w3a3-fog+night" },
            charts.Select(chart => chart.File).ToArray());
        foreach (var (_, chart) in charts)
            Assert.IsNotEmpty(chart.ToSvg());
    }

    [TestMethod]
    public void Without_the_default_the_first_way_of_merging_is_shown()
    {
        var document = Document();
        var others = document with
        {
            Rows = [.. document.Rows.Select(row => row.Merging == "default" ? row with { Merging = "mean" } : row)]
        };
        Assert.AreEqual("default", document.ShownMerging());
        Assert.AreEqual("mean", others.ShownMerging());
        Assert.IsNull((document with { Rows = [.. document.Rows.Where(row => row.Merging is null)] }).ShownMerging());
        Assert.HasCount(3, new ComparisonReport(others, Task).Charts());
    }

    [TestMethod]
    public void What_is_not_finished_yet_is_left_out()
    {
        var document = Document();
        for (var count = 1; count <= document.Rows.Count; count++)
        {
            var report = new ComparisonReport(document with { Rows = [.. document.Rows.Take(count)] }, Task);
            Assert.IsNotNull(report.ToMarkdown());
            _ = report.Charts().Count();
        }
    }

    [TestMethod]
    public void Unknown_names_are_refused_with_the_known_ones()
    {
        using var folder = new TemporaryDirectory();
        var unknown = CommandLine.Run("compare", "--data", folder.Path, "--methods", "rtn", "gptq");
        Assert.AreEqual(2, unknown.ExitCode);
        StringAssert.StartsWith(unknown.Error, "--methods gptq: it takes rtn, adaround, brecq, qdrop, hdrq, ");
        Assert.AreEqual(2, CommandLine.Run("compare", "--data", folder.Path, "--methods", "rtn", "rtn").ExitCode);
    }

    private static ResultsDocument Document() => new()
    {
        Task = Task.Name,
        Rows =
        [
            Row("adapted", "FP32", null, null, ("fog", 0.8)) with { Domain = "fog" },
            Row("adapted", "FP32", null, null, ("night", 0.7)) with { Domain = "night" },
            Merged("FP32", null, null, 0.6, ("fog", 0.6), ("night", 0.6)),
            Row("quantized", "QDrop", 4, 1, ("fog", 0.70)) with { Domain = "fog" },
            Row("quantized", "QDrop", 4, 1, ("night", 0.60)) with { Domain = "night" },
            Row("quantized", "QDrop", 4, 2, ("fog", 0.72)) with { Domain = "fog" },
            Row("quantized", "QDrop", 4, 2, ("night", 0.61)) with { Domain = "night" },
            Row("quantized", "QDrop", 4, 3, ("fog", 0.77)) with { Domain = "fog" },
            Row("quantized", "QDrop", 4, 3, ("night", 0.62)) with { Domain = "night" },
            Merged("QDrop", 4, 1, 0.40, ("fog", 0.40), ("night", 0.40)),
            Merged("QDrop", 4, 2, 0.50, ("fog", 0.45), ("night", 0.60)),
            Merged("QDrop", 4, 3, 0.60, ("fog", 0.50), ("night", 0.80)),
            Merged("QDrop", 4, 1, 0.30, ("fog", 0.30), ("night", 0.30)) with { Merging = "nearest" },
            Merged("QDrop", 3, 1, 0.20, ("fog", 0.20), ("night", 0.20)),
        ],
    };

    private static ResultRow Merged(
        string method, int? bits, int? seed, double mean, params (string Domain, double Score)[] scores) =>
        Row("merged", method, bits, seed, scores) with
        {
            Merged = ["fog", "night"],
            Merging = "default",
            HarmonicMean = mean
        };

    private static ResultRow Row(
        string stage, string method, int? bits, int? seed, params (string Domain, double Score)[] scores) => new()
        {
            Stage = stage,
            Method = method,
            Network = "",
            WeightBits = bits,
            ActivationBits = bits,
            Seed = seed,
            Domains = new(scores.Select(score => KeyValuePair.Create(score.Domain, score.Score))),
        };
}
