using System.Text.RegularExpressions;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>The tables of a page of results are those of the data beside it.</summary>
[TestClass]
public sealed partial class ResultTests
{
    private const string Header = "section,table,row,label,column,value";

    /// <summary>The pages with data.</summary>
    public static IEnumerable<string> Pages => Directory.EnumerateFiles(Repository.Combine("docs/results"), "*.csv")
        .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal);

    [TestMethod]
    [DynamicData(nameof(Pages))]
    public void Tables_are_the_data(string page)
    {
        var data = File.ReadAllLines(Repository.Combine($"docs/results/{page}.csv"));
        var document = MarkdownDocument.Read($"docs/results/{page}.md");
        Assert.IsGreaterThan(1, data.Length);
        string[] cells = [Header, .. Cells(document)];
        // A page has hundreds of cells: only those that differ are of interest.
        Assert.AreEqual(string.Join('\n', data.Except(cells)), string.Join('\n', cells.Except(data)));
        CollectionAssert.AreEqual(data, cells);
    }

    /// <summary>Each cell of each table, without empty ones and those of the first column: labels of rows.</summary>
    private static IEnumerable<string> Cells(MarkdownDocument document)
    {
        var (section, table, row) = ("", 0, 0);
        string[]? header = null;
        foreach (var (_, line) in document.Text)
        {
            if (line.StartsWith('#'))
                section = line.TrimStart('#').Trim();
            if (!line.StartsWith('|'))
            {
                header = null;
                continue;
            }
            if (header is null)
            {
                (header, row) = (Split(line), -1);
                table++;
                continue;
            }
            row++;
            var cells = Split(line);
            for (var column = 1; row > 0 && column < cells.Length; column++)
            {
                if (cells[column].Length == 0)
                    continue;
                string[] fields = [section, $"{table}", $"{row}", cells[0], header[column], cells[column]];
                yield return string.Join(',', fields.Select(Escape));
            }
        }
    }

    private static string[] Split(string line) =>
        [.. line.Trim().Trim('|').Split('|').Select(cell => Marks().Replace(cell, "").Trim())];

    private static string Escape(string text) => text.AsSpan().ContainsAny(',', '"')
        ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
        : text;

    [GeneratedRegex(@"[*`]")]
    private static partial Regex Marks();
}
