using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Report;

/// <summary>What the parts of a report show of results.</summary>
[TestClass]
public sealed class ReportSectionsTests
{
    [TestMethod]
    public void Scores_of_classes_are_means_over_seeds_domain_by_domain()
    {
        var page = Page([
            Merged("FP32", null, 0.7) with { Classes = Classes(0.8, 0.6, null) },
            Merged("HDRQ", 4, 0.5) with { Classes = Classes(0.5, 0.3, 0.25), Seed = 1 },
            Merged("HDRQ", 4, 0.6) with { Classes = Classes(0.7, 0.4, 0.25), Seed = 2 },
            // Of fewer domains, and merged otherwise.
            Merged("HDRQ", 4, 0.9) with { Classes = Classes(0.9, 0.9, 0.9), Merged = ["fog", "rain"], Seed = 1 },
            Merged("HDRQ", 4, 0.9) with { Classes = Classes(0.9, 0.9, 0.9), Merging = "mean", Seed = 1 },
        ]);
        var section = page.QuerySelectorAll("h2").Single(heading => heading.TextContent == "IoU by class");
        StringAssert.Contains(section.NextElementSibling!.TextContent, "means over 2 seeds");
        CollectionAssert.AreEqual(
            new[]
            {
                "class|FP32|HDRQ W4A4",
                "fog", "road|80.00|60.00", "sky|60.00|35.00", "Mean IoU|70.00|55.00",
                // Night shows no sky, and the network in full precision was not asked for its cars.
                "night", "road|80.00|60.00", "car||25.00", "Mean IoU|70.00|55.00",
                "rain", "Mean IoU|70.00|55.00",
            },
            Rows(page, "IoU by class"));

        static OrderedDictionary<string, OrderedDictionary<string, double>> Classes(
            double road, double sky, double? car)
        {
            var night = new OrderedDictionary<string, double>([new("road", road)]);
            if (car is { } value)
                night.Add("car", value);
            return new([new("fog", new([new("road", road), new("sky", sky)])), new("night", night)]);
        }
    }

    [TestMethod]
    public void Without_classes_there_is_no_table_of_them() =>
        Assert.DoesNotContain("by class", Page([Merged("HDRQ", 4, 0.5)]).Body!.TextContent);

    [TestMethod]
    public void One_bit_setting_is_bars_and_two_are_a_line()
    {
        var pair = Merged("HDRQ", 4, 0.8) with { Merged = ["fog", "night"] };
        CollectionAssert.AreEqual(new[] { "fog + night + rain" }, Captions(Page([Merged("HDRQ", 4, 0.5)])));
        var bars = Page([pair, Merged("HDRQ", 4, 0.5)]);
        CollectionAssert.AreEqual(
            new[] { "fog + night", "fog + night + rain", "Mean over all merges" }, Captions(bars));
        Assert.AreEqual("HDRQ W4A4|65.00", string.Join('|', Texts(bars.QuerySelectorAll("figure")[2])));
        Assert.IsEmpty(bars.QuerySelectorAll("svg"));
        var line = Page([pair, Merged("HDRQ", 4, 0.5), Merged("HDRQ", 3, 0.4)]);
        CollectionAssert.AreEqual(
            new[] { "fog + night", "fog + night + rain", "Bits of the weights against the mean over all merges" },
            Captions(line));
        Assert.HasCount(2, line.QuerySelectorAll("svg circle"));
        // Two methods with one setting each are no line either.
        Assert.IsEmpty(Page([Merged("HDRQ", 4, 0.5), Merged("RTN", 8, 0.4)]).QuerySelectorAll("svg"));
    }

    [TestMethod]
    public void Bars_are_means_over_seeds()
    {
        var page = Page([Merged("HDRQ", 4, 0.5) with { Seed = 1 }, Merged("HDRQ", 4, 0.6) with { Seed = 2 }]);
        Assert.AreEqual("HDRQ W4A4|55.00", string.Join('|', Texts(page.QuerySelector("figure")!)));
    }

    [TestMethod]
    public void A_rise_below_two_standard_errors_is_within_noise()
    {
        var page = Page([Merged("HDRQ", 4, 0.5)], new Explanation
        {
            Name = "hdrq",
            Method = "HDRQ",
            Networks = [new("fog", 1, 0.7, 12, null, null, 4, 0.1, [])],
            Lines = [],
            Layers =
            [
                new("first", "W4A4", 31.4, 0.023, 0.1) { LossAloneError = 0.011, LossWithoutError = 0.004 },
                new("second", "W4A4", 31.4, 0.021, 0.1) { LossAloneError = 0.011 },
                new("third", "W4A4", null, -0.021, 0) { LossAloneError = 0.011 },
                new("last", "W4A4", null, 0, 0) { LossAloneError = 0 },
            ],
            Images = 16,
            Overrides = "",
        });
        CollectionAssert.AreEqual(
            new[]
            {
                "first W4A4|+0.023 ± 0.011", "second W4A4|+0.021 ± 0.011 within noise",
                "third W4A4|-0.021 ± 0.011 within noise", "last W4A4|0.000 ± 0.000",
            },
            page.QuerySelectorAll(".layer").Select(bar => string.Join('|', Texts(bar))).ToArray());
        Assert.HasCount(2, page.QuerySelectorAll(".layer.noise"));
        StringAssert.Contains(NastyNames.Seen(page.Body!.TextContent), "on 16 test images.");
        CollectionAssert.Contains(
            Rows(page, "Signal-to-noise ratios and losses"), "first|W4A4|31.4|+0.0230|0.0110|+0.1000|0.0040");
    }

    private static ResultRow Merged(string method, int? bits, double mean) => new()
    {
        Stage = "merged",
        Method = method,
        Network = "",
        Domains = new([new("fog", mean), new("night", mean), new("rain", mean)]),
        WeightBits = bits,
        ActivationBits = bits,
        Merged = ["fog", "night", "rain"],
        Merging = "default",
        HarmonicMean = mean,
    };

    private static IHtmlDocument Page(IReadOnlyList<ResultRow> rows, params IReadOnlyList<Explanation> explanations) =>
        new HtmlParser(new HtmlParserOptions { IsStrictMode = true }).ParseDocument(HtmlReport.Create(new RunReport
        {
            Task = VisionTask.Segmentation,
            Domains = ["fog", "night", "rain"],
            Results = new ResultsDocument { Task = "segmentation", Rows = rows },
            Explanations = explanations,
        }));

    private static string[] Captions(IHtmlDocument page) =>
        [.. page.QuerySelectorAll("figcaption").Select(caption => caption.TextContent)];

    private static string[] Texts(IElement bars) =>
        [.. bars.QuerySelectorAll("b, span").Select(part => part.TextContent)];

    private static string[] Rows(IHtmlDocument page, string table) =>
    [
        .. page.QuerySelectorAll("div.scroll").Single(scroll => scroll.GetAttribute("aria-label") == table)
            .QuerySelectorAll("tr").Select(row => string.Join('|', row.Children.Select(cell => cell.TextContent))),
    ];
}
