using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Comparison;

/// <summary>Which chart a comparison has of its harmonic means.</summary>
[TestClass]
public sealed class ComparisonChartsTests
{
    [TestMethod]
    public void There_is_a_line_only_where_a_method_has_two_bit_settings()
    {
        Assert.IsInstanceOfType<GroupedBarChart>(HarmonicMean(Row("HDRQ", 4, 4), Row("RTN", 4, 4)));
        Assert.IsInstanceOfType<GroupedBarChart>(HarmonicMean(Row("HDRQ", 4, 4), Row("RTN", 3, 3)));
        // Both have six bits on average: one above the other.
        Assert.IsInstanceOfType<GroupedBarChart>(HarmonicMean(Row("HDRQ", 4, 8), Row("HDRQ", 8, 4)));
        Assert.IsInstanceOfType<LineChart>(HarmonicMean(Row("HDRQ", 4, 4), Row("RTN", 4, 4), Row("HDRQ", 3, 3)));
    }

    [TestMethod]
    public void Markdown_names_have_a_backslash_before_what_is_special()
    {
        Assert.AreEqual(@"a\|b\\c\`d\*e\_f\<g\>", MarkdownText.Of(@"a|b\c`d*e_f<g>"));
        Assert.AreEqual("two lines and a tab", MarkdownText.Of("two\nlines\rand a\ttab"));
        Assert.AreEqual("RTN, biases corrected", MarkdownText.Of("RTN, biases corrected"));
    }

    private static Chart HarmonicMean(params ResultRow[] rows)
    {
        var charts = new ComparisonReport(
            new ResultsDocument { Task = "classification", Rows = rows }, VisionTask.Classification).Charts().ToList();
        Assert.IsNotEmpty(charts[0].Chart.ToSvg());
        Assert.AreEqual("harmonic-mean", charts[0].File);
        return charts[0].Chart;
    }

    private static ResultRow Row(string method, int weights, int activations) => new()
    {
        Stage = "merged",
        Method = method,
        Network = "",
        Domains = new([new("fog", 0.5), new("night", 0.5)]),
        WeightBits = weights,
        ActivationBits = activations,
        Merged = ["fog", "night"],
        Merging = "default",
        HarmonicMean = 0.5,
    };
}
