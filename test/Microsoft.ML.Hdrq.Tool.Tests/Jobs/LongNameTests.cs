using System.Text;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

/// <summary>Many domains with names that are nearly as long as names of folders may be.</summary>
[TestClass]
public sealed class LongNameTests
{
    private const int LongestFileName = 255;
    private const int Count = 8;

    [TestMethod]
    [DataRow('x', 61, "ef243879")]
    [DataRow('é', 30, "011c5dfa")]
    public void Files_have_short_names_and_the_results_the_long_ones(char letter, int kept, string hash)
    {
        using var folder = new TemporaryDirectory();
        string[] domains = [.. Enumerable.Range(0, Count).Select(index => $"{index:00}{new string(letter, 98)}")];
        TestImages.WriteClasses(folder.Combine("data"), domains, ["bar", "dot"], train: 1, test: 1);
        TestNetworks.WriteClassifier(folder.Combine("network.onnx"), classes: 2);
        CommandLine.Run("run", "--data", folder.Combine("data"), "--network", folder.Combine("network.onnx"),
            "--adaptation-epochs", "1", "--methods", "rtn", "--merge", "all", "--output", folder.Combine("out")).Done();

        var files = Directory.GetFiles(folder.Combine("out")).Select(path => Path.GetFileName(path)).ToList();
        Assert.IsLessThanOrEqualTo(LongestFileName, files.Max(Encoding.UTF8.GetByteCount));
        var rows = ResultsFile.Read(folder.Combine("out", "results.json")).Rows;
        Assert.HasCount(1 + 2 * (Count - 1) + 2, rows);
        Assert.HasCount(rows.Count, rows.Select(row => row.Network).Distinct());
        foreach (var row in rows)
        {
            CollectionAssert.Contains(files, $"{row.Network}.onnx");
            CollectionAssert.AreEqual(domains, row.Domains.Keys.ToArray());
        }
        CollectionAssert.AreEqual(domains[1..], rows[^1].Merged!.ToArray());
        CollectionAssert.Contains(files, $"{rows[^1].Network}.zip");
        // By hand: what fits of the name, and the first 8 digits that sha256sum gives for all of it. A process that goes
        // on finds what another one has made.
        CollectionAssert.Contains(files, $"adapted-01{new string(letter, kept)}-{hash}.onnx");
    }
}
