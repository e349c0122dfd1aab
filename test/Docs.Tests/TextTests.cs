using System.Text;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>What documents look like, and where they lead.</summary>
[TestClass]
public sealed class TextTests
{
    private const int LongestLine = 120;

    private const int LongestReadme = 120;

    private static readonly string[] _parts = ["When", "How", "Defaults", "What goes wrong", "Next"];

    [TestMethod]
    public void README_is_short()
    {
        var lines = MarkdownDocument.Read("README.md").Lines;
        Assert.IsLessThanOrEqualTo(LongestReadme, lines.Count);
        Assert.AreEqual("", string.Join('\n', lines.Where(line => line.Length > LongestLine)));
        Assert.HasCount(1, lines.Where(line => line.StartsWith("dotnet test", StringComparison.Ordinal)));
    }

    /// <summary>Rows of tables and headings cannot be broken.</summary>
    [TestMethod]
    public void Lines_of_text_are_not_long() => AssertNone(
        from path in Repository.Documents()
        from line in MarkdownDocument.Read(path).Text
        where line.Line.Length > LongestLine && line.Line[0] is not ('|' or '#' or '!')
        select $"{path}:{line.Number} has {line.Line.Length} letters.");

    [TestMethod]
    public void Guides_have_the_same_parts_in_the_same_order() => AssertNone(
        from path in Repository.Guides()
        let found = MarkdownDocument.Read(path).Text.Select(line => line.Line)
            .Where(line => line.StartsWith("## ", StringComparison.Ordinal)).Select(line => line[3..]).ToList()
        where !found.SequenceEqual(_parts)
        select $"{path}: {string.Join(", ", found)}");

    [TestMethod]
    public void Links_lead_to_files_and_headings_that_are_there() => AssertNone(
        from path in Repository.Documents()
        from link in MarkdownDocument.Read(path).Links
        where !link.Target.Contains("://", StringComparison.Ordinal) && !IsThere(path, link.Target)
        select $"{path}:{link.Number}: {link.Target}");

    private static bool IsThere(string path, string target)
    {
        var (file, heading) = target.Split('#') is [var before, var after] ? (before, after) : (target, null);
        var full = file.Length == 0 ? path : Path.Combine(Path.GetDirectoryName(path)!, file);
        return Path.Exists(Repository.Combine(full))
            && (heading is null || MarkdownDocument.Read(full).Headings.Select(Anchor).Contains(heading));
    }

    /// <summary>The anchor that GitHub gives a heading.</summary>
    private static string Anchor(string heading)
    {
        var anchor = new StringBuilder();
        foreach (var letter in heading.ToLowerInvariant())
        {
            if (char.IsLetterOrDigit(letter) || letter is '-' or '_')
                anchor.Append(letter);
            else if (letter == ' ')
                anchor.Append('-');
        }
        return anchor.ToString();
    }

    private static void AssertNone(IEnumerable<string> violations) =>
        Assert.AreEqual("", string.Join('\n', violations));
}
