using System.Text;

namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>Names of folders and classes in a form that XML, HTML and Markdown can hold.</summary>
internal static class VisibleText
{
    /// <summary>
    /// The text, with the replacement character in place of control characters other than tabs and line breaks, of
    /// halves of surrogate pairs, and of U+FFFE and U+FFFF: XML has no form for them, not even escaped.
    /// </summary>
    public static string Of(string text)
    {
        var visible = new StringBuilder(text.Length);
        Span<char> letters = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
            visible.Append(letters[..(IsAllowed(rune) ? rune : Rune.ReplacementChar).EncodeToUtf16(letters)]);
        return visible.ToString();
    }

    private static bool IsAllowed(Rune rune) =>
        rune.Value is '\t' or '\n' or '\r' || (!Rune.IsControl(rune) && rune.Value is not (0xFFFE or 0xFFFF));
}
