using System.Text;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>
/// A table whose first column stays in sight when it is scrolled sideways, and which shows where it can be: by a shadow
/// at its edge, and by words where the browser knows of animations by scrolling.
/// </summary>
/// <param name="label">What the table has, for those who cannot see it.</param>
/// <param name="columns">The columns; the first is the heading of its row.</param>
internal sealed class HtmlTable(string label, params IReadOnlyList<HtmlTable.Column> columns)
{
    /// <summary>A column.</summary>
    /// <param name="Title">Its heading.</param>
    /// <param name="IsText">Whether it has text, which is aligned to the left; numbers are to the right.</param>
    internal readonly record struct Column(string Title, bool IsText = false);

    private readonly StringBuilder _body = new();

    /// <summary>Adds a heading of the rows that follow.</summary>
    public void AddHeading(string title) => _body.Append(Html.Of($"""
        </tbody><tbody><tr class="group"><th colspan="{columns.Count}" scope="rowgroup"><span>{title}</span></th></tr>

        """).Text);

    /// <summary>Adds a row with one cell for each column.</summary>
    public void Add(params IReadOnlyList<Html> cells)
    {
        var others = cells.Zip(columns, (cell, column) => Html.Of($"<td{Alignment(column)}>{cell}</td>")).Skip(1);
        _body.Append(Html.Of($"<tr><th scope=\"row\">{cells[0]}</th>{others}</tr>\n").Text);
    }

    /// <summary>The table.</summary>
    public Html ToHtml()
    {
        var header = columns.Select(column => Html.Of($"<th scope=\"col\"{Alignment(column)}>{column.Title}</th>"));
        return Html.Of($"""
            <div class="scroll" tabindex="0" role="region" aria-label="{label}">
            <p class="hint" aria-hidden="true">Scroll sideways &#8594;</p>
            <table>
            <thead><tr>{header}</tr></thead>
            <tbody>{new Html(_body.ToString())}</tbody>
            </table></div>
            """);
    }

    private static Html Alignment(Column column) => column.IsText ? new(" class=\"text\"") : Html.Empty;
}
