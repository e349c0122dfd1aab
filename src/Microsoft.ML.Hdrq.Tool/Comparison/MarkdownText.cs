using System.Text;
using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>Names as text in Markdown, in tables too.</summary>
internal static class MarkdownText
{
    /// <summary>What Markdown, with GitHub's tables, formulas and links, may read as more than text.</summary>
    private const string Special = "\\`*_{}[]<>|~&#!$:";

    /// <summary>
    /// The name on one line, with a backslash before each character that Markdown may read as more than text.
    /// </summary>
    public static string Of(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (var letter in VisibleText.Of(name))
        {
            if (Special.Contains(letter, StringComparison.Ordinal))
                text.Append('\\');
            text.Append(char.IsWhiteSpace(letter) ? ' ' : letter);
        }
        return text.ToString();
    }
}
