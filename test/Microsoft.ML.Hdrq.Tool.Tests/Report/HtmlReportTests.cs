using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Report;

/// <summary>The report of a run: what is in it, and that a browser shows it.</summary>
[TestClass]
public sealed partial class HtmlReportTests
{
    /// <summary>A PNG of one pixel.</summary>
    private static readonly byte[] _pixel =
        Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    [TestMethod]
    public void All_that_was_measured_is_there()
    {
        var html = HtmlReport.Create(Run());
        StringAssert.Contains(html, "<td><b>62.50</b></td>");
        StringAssert.Contains(html, "60.90");
        StringAssert.Contains(html, "W4A4");
        StringAssert.Contains(html, "HDRQ, 3.5 bits on average");
        StringAssert.Contains(html, "12,346");
        StringAssert.Contains(html, "+0.250");
        StringAssert.Contains(html, "new(@&quot;^conv1$&quot;)");
        StringAssert.Contains(html, "1.5 % clipped");
        StringAssert.Contains(html, $"data:image/png;base64,{Convert.ToBase64String(_pixel)}");
        // A line between networks for each method, and one of bits.
        Assert.HasCount(3, LinePath().Matches(html));
    }

    [TestMethod]
    public void Nothing_is_fetched_and_nothing_runs()
    {
        var html = HtmlReport.Create(Run());
        Assert.IsFalse(html.Contains("http:", StringComparison.Ordinal)
            || html.Contains("https:", StringComparison.Ordinal)
            || html.Contains("<script", StringComparison.OrdinalIgnoreCase));
        Assert.IsTrue(Reference().Matches(html)
            .All(match => match.Groups[1].Value.StartsWith("data:", StringComparison.Ordinal)));
        StringAssert.Contains(html, "prefers-color-scheme: dark");
    }

    [TestMethod]
    public void Names_are_text_and_not_HTML()
    {
        var html = HtmlReport.Create(Run("<script>alert('a')</script>"));
        Assert.DoesNotContain("<script", html);
        StringAssert.Contains(html, "&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;");
    }

    [TestMethod]
    public void A_run_of_which_little_is_known_has_a_report_too()
    {
        var html = HtmlReport.Create(
            new RunReport
            {
                Task = VisionTask.Classification,
                Domains = ["fog"],
                Results = new ResultsDocument { Task = "classification", Rows = [] }
            });
        StringAssert.Contains(html, "All networks");
        Assert.DoesNotContain("<svg", html);
    }

    [TestMethod]
    [DataRow(1280)]
    [DataRow(390)]
    public void A_browser_shows_it_without_errors_and_without_scrolling_sideways(int width)
    {
        using var browser = HeadlessBrowser.Require();
        // The page itself has no script; this one only tells how wide the page is.
        var html = HtmlReport.Create(Run())
            .Replace(
            "</body>",
            "<script>document.body.dataset.width = document.documentElement.scrollWidth + '/' + innerWidth;</script></body>", StringComparison.Ordinal);
        var (dom, console) = browser.Load(Encoding.UTF8.GetBytes(html), width, 900);
        Assert.AreEqual("", console);
        var widths = Width().Match(dom);
        Assert.IsTrue(widths.Success, dom[..Math.Min(500, dom.Length)]);
        Assert.IsLessThanOrEqualTo(int.Parse(widths.Groups[2].Value), int.Parse(widths.Groups[1].Value));
    }

    private static RunReport Run(string domain = "fog")
    {
        var merged = new ResultRow
        {
            Stage = "merged",
            Method = "HDRQ",
            Network = "hdrq-merged",
            Domains = new([new(domain, 0.625), new("night", 0.594)]),
            WeightBits = 4,
            ActivationBits = 4,
            Merged = [domain, "night"],
            HarmonicMean = 0.609,
            Bytes = 12345
        };
        LinePoint[] points = [new(0, 1, 0.7), new(0.5, 1.4, 0.6), new(1, 1.2, 0.65)];
        return new RunReport
        {
            Task = VisionTask.Classification,
            Domains = ["clean", domain, "night"],
            Results = new ResultsDocument
            {
                Task = "classification",
                Rows =
                [
                    new() { Stage = "source", Method = "FP32", Network = "source",
                        Domains = new([new("clean", 0.81), new(domain, 0.369)]), Bytes = 1000000 },
                    new() { Stage = "quantized", Method = "HDRQ", Network = "hdrq", Domains = new([new(domain, 0.7)]),
                        WeightBits = 4, ActivationBits = 4, Domain = domain, Iterations = 500, Seed = 1 },
                    merged,
                    merged with { WeightBits = 3, HarmonicMean = 0.55 },
                    merged with { Method = "HDRQ, 3.5 bits on average", WeightBits = null, AverageWeightBits = 3.5,
                        HarmonicMean = 0.58 },
                ],
            },
            Explanations =
            [
                new()
                {
                    Name = "hdrq",
                    Method = "HDRQ",
                    Networks = [new(domain, 1.02, 0.7, 12345.6, 78.9, 2345, 4.1, 0.12, new([new("conv1", 10.5)]))],
                    Lines = [new(domain, "night", domain, 0.3, 0.05, points)],
                    Layers = [new("conv1", "W8A8", 31.4, 0.25, 0.1), new("conv2", "W4A4", null, -0.01, 0)],
                    Overrides = "Overrides =\n[\n    new(@\"^conv1$\") { WeightBits = 8 },\n],\n",
                },
            ],
            Histograms = [new QuantizerHistogram("conv1", true, 4, -1, 0.9, 0.015, -1.25, 1.15, [1, 5, 100, 4, 2]),
                new QuantizerHistogram("relu", false, 4, 0, 2, 0, -0.25, 2.25, [0, 900, 40, 3, 1])],
            HistogramNetwork = "hdrq-fog",
            Predictions = [("HDRQ", [new(domain, "a.png", _pixel, "cat", "dog"),
                new(domain, "b.png", _pixel, "dog", "dog")])],
        };
    }

    [GeneratedRegex("<path d='M[0-9.]+ [0-9.]+(L[^']*)?' fill='none'")]
    private static partial Regex LinePath();

    [GeneratedRegex("(?:src|href)=[\"']([^\"']*)")]
    private static partial Regex Reference();

    [GeneratedRegex("data-width=\"([0-9]+)/([0-9]+)\"")]
    private static partial Regex Width();
}
