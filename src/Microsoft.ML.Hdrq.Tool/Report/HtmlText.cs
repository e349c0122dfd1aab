using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>
/// HTML that is put together piece by piece. What is inserted is escaped, for text and for attributes in quotes of
/// either kind, unless it is HTML itself; numbers have a decimal point.
/// </summary>
[InterpolatedStringHandler]
internal readonly ref struct HtmlText
{
    private readonly StringBuilder _text;

    public HtmlText(int literalLength, int formattedCount)
    {
        _ = formattedCount;
        _text = new StringBuilder(literalLength);
    }

    public void AppendLiteral(string value) => _text.Append(value);

    public void AppendFormatted(string? value) => _text.Append(WebUtility.HtmlEncode(VisibleText.Of(value ?? "")));

    public void AppendFormatted(Html value) => _text.Append(value.Text);

    public void AppendFormatted(IEnumerable<Html> values)
    {
        foreach (var value in values)
            _text.Append(value.Text);
    }

    public void AppendFormatted(IFormattable? value, string? format = null) =>
        AppendFormatted(value?.ToString(format, CultureInfo.InvariantCulture));

    public override string ToString() => _text.ToString();
}

/// <summary>A piece of HTML.</summary>
/// <param name="Text">The HTML.</param>
internal readonly record struct Html(string Text)
{
    /// <summary>Nothing.</summary>
    public static Html Empty { get; } = new("");

    /// <summary>Makes a piece of literal HTML and values.</summary>
    public static Html Of(HtmlText text) => new(text.ToString());

    /// <summary>Makes a piece of text.</summary>
    public static implicit operator Html(string text) => Of($"{text}");
}
