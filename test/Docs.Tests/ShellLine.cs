using System.Text;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>A line of a POSIX shell, as far as documents use one: words, quotes, comments and patterns.</summary>
internal static class ShellLine
{
    private static readonly string[] _tools = ["hdrq", "dotnet run --project src/Microsoft.ML.Hdrq.Tool --"];

    /// <summary>The arguments that a line gives to the command <c>hdrq</c>; null where it starts something else.</summary>
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
        var files = Directory.Exists(folder.Length == 0 ? "." : folder)
            ? Directory.GetFiles(folder.Length == 0 ? "." : folder, Path.GetFileName(pattern)).Order(StringComparer.Ordinal).ToArray()
            : [];
        return files.Length == 0 ? [pattern] : files.Select(file => folder.Length == 0 ? Path.GetFileName(file) : file);
    }
}
