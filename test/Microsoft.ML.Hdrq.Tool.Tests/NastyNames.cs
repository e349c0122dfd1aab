using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

namespace Microsoft.ML.Hdrq.Tool.Tests;

/// <summary>Names as folders may have them, of which every format that they come into means something else.</summary>
internal static partial class NastyNames
{
    private static readonly string[] _pieces =
    [
        "|", "||", "\\", "`", "``", "*", "**", "_", "__", "<", ">", "&", "\"", "'", "~~", "#", "^{a}", "_{b}", "{0}", "%s",
        "\n", "\r\n", "\t", "\0", "\u001b[31m", "\u0085", "\u2028", "\uFFFE", "\uD800", "\u202E", "\u007F",
        "<script>alert(1)</script>", "</style>", "</title>", "-->", "]]>", "<!--", "<b onclick=x>", "' onload='x",
        "\" onload=\"x", "[a](b)", "![x](javascript:y)", "&lt;", "&#124;", "http://x.y", "| --- |", "../", ":smile:",
        "url(x)", ";color:red", "$x$", "fog", "night", "日本", "🦄", "é", " ",
    ];

    /// <summary>Names that differ from one another.</summary>
    public static List<string> Of(int seed, int count)
    {
        var random = new Random(seed);
        var names = new List<string>();
        while (names.Count < count)
        {
            // The letter keeps apart what differs only in spaces and in what cannot be shown.
            var pieces = random.GetItems(_pieces, random.Next(1, 6));
            names.Add($"{string.Concat(pieces[..^1])}{(char)('a' + names.Count)}{pieces[^1]}");
        }
        return names;
    }

    /// <summary>
    /// What readers see of a text: one space for any, and the replacement character for what has no form in XML.
    /// </summary>
    public static string Seen(string text)
    {
        var seen = new StringBuilder();
        for (var index = 0; index < text.Length; index++)
        {
            var letter = text[index];
            if (index + 1 < text.Length && char.IsSurrogatePair(letter, text[index + 1]))
                seen.Append(letter).Append(text[++index]);
            else if (letter is '\t' or '\n' or '\r' || (XmlConvert.IsXmlChar(letter) && !char.IsControl(letter)))
                seen.Append(letter);
            else
                seen.Append('\uFFFD');
        }
        return Spaces().Replace(seen.ToString(), " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
