using System.Text.RegularExpressions;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>A Markdown file: its lines, headings, links and code.</summary>
internal sealed partial class MarkdownDocument
{
    private const string Fence = "```";

    private readonly bool[] _isCode;

    private MarkdownDocument(string path, string[] lines)
    {
        (Path, Lines, _isCode) = (path, lines, new bool[lines.Length]);
        Blocks = FindBlocks();
    }

    /// <summary>Path in the repository.</summary>
    public string Path { get; }

    /// <summary>Its lines.</summary>
    public IReadOnlyList<string> Lines { get; }

    /// <summary>The blocks of code, in order.</summary>
    public IReadOnlyList<CodeBlock> Blocks { get; }

    /// <summary>Lines that are text, with their numbers from 1.</summary>
    public IEnumerable<(int Number, string Line)> Text =>
        Lines.Index().Where(line => !_isCode[line.Index]).Select(line => (line.Index + 1, line.Item));

    /// <summary>Headings of all levels, without the signs before them.</summary>
    public IReadOnlyList<string> Headings =>
        [.. Text.Where(line => line.Line.StartsWith('#')).Select(line => line.Line.TrimStart('#').Trim())];

    /// <summary>What links and images point to.</summary>
    public IEnumerable<(int Number, string Target)> Links =>
        from line in Text
        from Match match in Link().Matches(line.Line)
        select (line.Number, match.Groups[1].Value);

    /// <summary>Reads a file of the repository.</summary>
    public static MarkdownDocument Read(string path) => new(path, File.ReadAllLines(Repository.Combine(path)));

    private List<CodeBlock> FindBlocks()
    {
        var blocks = new List<CodeBlock>();
        for (var start = 0; start < Lines.Count; start++)
        {
            if (!IsFence(start))
                continue;
            var end = start + 1;
            while (end < Lines.Count && Lines[end].TrimEnd() != Fence)
                end++;
            Array.Fill(_isCode, true, start, Math.Min(end + 1, Lines.Count) - start);
            var above = start > 0 ? Fragment().Match(Lines[start - 1]) : Match.Empty;
            blocks.Add(new(
                $"{Path}:{start + 1}", Lines[start][Fence.Length..].Trim(),
                [.. Lines.Skip(start + 1).Take(end - start - 1)],
                above.Success ? above.Groups[1].Value : null, Output(end + 1)));
            start = end;
        }
        return blocks;
    }

    /// <summary>The block <c>text</c> that comes next, in the same section: what the code before it prints.</summary>
    private IReadOnlyList<string>? Output(int line)
    {
        while (line < Lines.Count && !Lines[line].StartsWith('#') && !IsFence(line))
            line++;
        return line < Lines.Count && Lines[line].TrimEnd() == $"{Fence}text"
            ? [.. Lines.Skip(line + 1).TakeWhile(text => text.TrimEnd() != Fence)]
            : null;
    }

    private bool IsFence(int line) => Lines[line].StartsWith(Fence, StringComparison.Ordinal);

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("^<!-- fragment of (.+) -->$")]
    private static partial Regex Fragment();
}
