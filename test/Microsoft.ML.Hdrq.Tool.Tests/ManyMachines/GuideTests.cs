using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

/// <summary>docs/guide/many-machines.md shows lines of the sample's files, each with the file's name before.</summary>
[TestClass]
public sealed partial class GuideTests
{
    private static readonly string _folder = Path.Combine(Repository.Root, "docs", "guide");

    private static readonly string _guide = File.ReadAllText(Path.Combine(_folder, "many-machines.md"));

    [TestMethod]
    public void What_is_shown_of_a_file_is_in_it()
    {
        var shown = Shown().Matches(_guide)
            .ToLookup(block => block.Groups["file"].Value, block => block.Groups["text"].Value);
        foreach (var file in shown)
        {
            foreach (var text in file)
                StringAssert.Contains($"\n{ManyMachinesSample.Text(file.Key)}", $"\n{text}", file.Key);
        }
        CollectionAssert.AreEquivalent(
            Directory.EnumerateFiles(ManyMachinesSample.Folder).Select(Path.GetFileName).ToArray(),
            shown.Select(file => file.Key).ToArray(), "Every file is shown.");
    }

    [TestMethod]
    public void What_the_guide_links_to_is_there()
    {
        foreach (Match link in Link().Matches(_guide))
            Assert.IsTrue(Path.Exists(Path.Combine(_folder, link.Groups["path"].Value)), link.Value);
    }

    [GeneratedRegex(
        @"<!-- samples/ManyMachines/(?<file>\S+) -->\n```\w*\n(?<text>.*?\n)```\n", RegexOptions.Singleline)]
    private static partial Regex Shown();

    [GeneratedRegex(@"\]\((?<path>(?!https?:)[^)#]+)")]
    private static partial Regex Link();
}
