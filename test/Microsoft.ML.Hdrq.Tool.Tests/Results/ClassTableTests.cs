using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.Results;

[TestClass]
public sealed class ClassTableTests
{
    private static readonly VisionTask _task = VisionTask.Segmentation;

    [TestMethod]
    public void The_largest_group_is_shown_domain_by_domain_and_class_by_class()
    {
        var document = Document(
            Merged("FP32", bits: null, ["day", "dusk"], 0.1),
            Merged("FP32", bits: null, ["day", "dusk", "fog"], 0.25),
            Merged("HDRQ", bits: 4, ["day", "dusk", "fog"], 0.125));
        var text = Render(ClassTable.Create(document, _task)!);
        StringAssert.Matches(text, new(@"Mean IoU by class, %, merged for day \+\s+dusk \+ fog"));
        StringAssert.Matches(text, new(@"class .* FP32 .* HDRQ W4A4"));
        foreach (var domain in new[] { "day", "dusk", "fog" })
            StringAssert.Matches(text, new($@"\n{domain}\n  road .* 25\.00 .* 12\.50\n"));
        Assert.DoesNotContain("10.00", text);
    }

    [TestMethod]
    public void Without_classes_or_merged_networks_there_is_no_table()
    {
        Assert.IsNull(ClassTable.Create(
            Document(Merged("FP32", bits: null, ["day", "dusk"], 0.1) with { Classes = null }), _task));
        Assert.IsNull(ClassTable.Create(
            Document(Merged("FP32", bits: null, ["day", "dusk"], 0.1) with { Merged = null }), _task));
    }

    private static ResultsDocument Document(params ResultRow[] rows) => new() { Task = "segmentation", Rows = rows };

    private static ResultRow Merged(string method, int? bits, string[] domains, double score) => new()
    {
        Stage = "merged",
        Method = method,
        Network = "n",
        Domains = new(domains.Select(domain => KeyValuePair.Create(domain, score))),
        Classes = new(domains.Select(
            domain => KeyValuePair.Create(domain, new OrderedDictionary<string, double> { ["road"] = score }))),
        WeightBits = bits,
        ActivationBits = bits,
        Merged = domains,
    };

    private static string Render(TextTable table) => string.Concat(table.Fit(120).Select(line => $"{line}\n"));
}
