using System.Text;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>A line of a POSIX shell, as far as documents use one: words, quotes, comments and patterns.</summary>
internal static class ShellLine
{
    private static readonly string[] _tools = ["hdrq", "dotnet run --project src/Microsoft.ML.Hdrq.Tool --"];

    /// <summary>The arguments that a line gives to the command <c>hdrq</c>; null if it starts something else.</summary>
    public static IReadOnlyList<string>? ToolArguments(string line) => _tools
        .Where(tool => line == tool || line.StartsWith($"{tool} ", StringComparison.Ordinal))
        .Select(tool => Words(line[tool.Length..]))
        .FirstOrDefault();

    private static List<string> Words(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var (isWord, isPattern) = (false, false);
        var quote = '\0';
        foreach (var letter in $"{text} ")
        {
            if (quote != '\0')
            {
                if (letter == quote)
                    quote = '\0';
                else
                    word.Append(letter);
            }
            else if (letter is '\'' or '"')
            {
                (quote, isWord) = (letter, true);
            }
            else if (letter == ' ')
            {
                if (isWord)
                    words.AddRange(isPattern ? Expand(word.ToString()) : [word.ToString()]);
                word.Clear();
                (isWord, isPattern) = (false, false);
            }
            else if (letter == '#' && !isWord)
            {
                break;
            }
            else
            {
                word.Append(letter);
                (isWord, isPattern) = (true, isPattern || letter == '*');
            }
        }
        return words;
    }

    private static IEnumerable<string> Expand(string pattern)
    {
        var folder = Path.GetDirectoryName(pattern)!;
        var found = new DirectoryInfo(folder.Length == 0 ? "." : folder) is { Exists: true } existing
            ? existing.GetFiles(Path.GetFileName(pattern))
            : [];
        return found.Length == 0
            ? [pattern]
            : found.Select(file => Path.Combine(folder, file.Name)).Order(StringComparer.Ordinal);
    }
}
