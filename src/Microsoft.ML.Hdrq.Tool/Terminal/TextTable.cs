using System.Globalization;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>
/// A table of text that fits into a number of columns: names are shortened, then columns are left out.
/// </summary>
internal sealed class TextTable
{
    private const int Gap = 2;

    private readonly List<(Column Column, int Index)> _columns = [];
    private readonly List<Row> _rows = [];

    /// <param name="title">What the table shows; null for nothing.</param>
    public TextTable(string? title = null) => Title = title;

    /// <summary>A column.</summary>
    /// <param name="Header">Its name.</param>
    /// <param name="IsNumber">Whether cells stand at its right edge.</param>
    /// <param name="MinimumWidth">The width to which its text may be shortened; null to never shorten it.</param>
    /// <param name="LeaveOut">Columns of the lowest number go first where there is no room; null to keep it.</param>
    public sealed record Column(string Header, bool IsNumber = false, int? MinimumWidth = null, int? LeaveOut = null);

    /// <summary>Text in a table.</summary>
    /// <param name="Text">The text.</param>
    /// <param name="IsStrong">Whether it stands out.</param>
    public readonly record struct Cell(string Text, bool IsStrong = false)
    {
        public static implicit operator Cell(string text) => new(text);
    }

    /// <summary>A line of the fitted table: pieces of text, some of them strong.</summary>
    public sealed record Line(IReadOnlyList<Cell> Pieces)
    {
        public override string ToString() => string.Concat(Pieces.Select(piece => piece.Text)).TrimEnd();
    }

    /// <summary>What the table shows.</summary>
    public string? Title { get; }

    /// <summary>Said under a table from which columns are left out.</summary>
    public string? WhereTheRestIs { get; init; }

    /// <summary>Adds a column.</summary>
    public TextTable Add(Column column)
    {
        _columns.Add((column, _columns.Count));
        return this;
    }

    /// <summary>Adds a row with a cell for every column.</summary>
    public TextTable Add(params IReadOnlyList<Cell> cells)
    {
        if (cells.Count != _columns.Count)
            throw new ArgumentException(
                $"The table has {_columns.Count} columns, the row {cells.Count} cells.", nameof(cells));
        _rows.Add(new(null, [.. cells.Select(cell => cell with { Text = Printable(cell.Text) })]));
        return this;
    }

    /// <summary>Adds a heading over the rows that follow.</summary>
    public TextTable AddHeading(string text)
    {
        _rows.Add(new(Printable(text), []));
        return this;
    }

    /// <summary>The table in so many columns.</summary>
    /// <param name="width">The columns; null for any number.</param>
    public IReadOnlyList<Line> Fit(int? width)
    {
        var room = width ?? int.MaxValue;
        var shown = _columns.ToList();
        var widths = Shrunk(shown, room);
        var left = false;
        while (Total(widths) > room && shown.Select(column => column.Column.LeaveOut).OfType<int>()
            .ToList() is { Count: > 0 } candidates)
        {
            shown.RemoveAll(column => column.Column.LeaveOut == candidates.Min());
            widths = Shrunk(shown, room);
            left = true;
        }
        var lines = new List<Line>();
        if (Title is not null)
            lines.AddRange(Wrap(Title, room).Select(text => new Line([new(text, IsStrong: true)])));
        lines.Add(Draw(shown, widths, [.. shown.Select(column => new Cell(Printable(column.Column.Header)))]));
        lines.Add(new([new(new string('-', Math.Min(room, Total(widths))))]));
        foreach (var row in _rows)
        {
            lines.Add(row.Heading is not null
                ? new([new(Shorten(row.Heading, room), IsStrong: true)])
                : Draw(shown, widths, [.. shown.Select(column => row.Cells[column.Index])]));
        }
        if (left && WhereTheRestIs is not null)
            lines.AddRange(Wrap(WhereTheRestIs, room).Select(text => new Line([new(text)])));
        return lines;
    }

    /// <summary>Text of a number of columns: the end of longer text becomes an ellipsis.</summary>
    public static string Shorten(string text, int width) =>
        text.Length <= width ? text : width <= 1 ? "…" : $"{text[..(width - 1)]}…";

    /// <summary>Lines of at most so many columns, broken between words where that is possible.</summary>
    public static IEnumerable<string> Wrap(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = word;
            }
            else
            {
                line = line.Length == 0 ? word : $"{line} {word}";
            }
        }
        yield return line;
    }

    /// <summary>Names come from folders and files: what would move the cursor, or colour the terminal, is shown as a
    /// question mark.</summary>
    public static string Printable(string text) => string.Concat(text.Select(letter =>
        char.GetUnicodeCategory(letter) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? '?' : letter));

    private static int Total(int[] widths) => widths.Sum() + Gap * Math.Max(0, widths.Length - 1);

    /// <summary>The widest columns that may are made narrower, one column of text at a time.</summary>
    private int[] Shrunk(List<(Column Column, int Index)> shown, int room)
    {
        var widths =
            shown.Select(
                column => _rows.Where(row => row.Heading is null).Select(row => row.Cells[column.Index].Text.Length)
            .Append(column.Column.Header.Length).Max()).ToArray();
        while (Total(widths) > room)
        {
            var widest = Enumerable.Range(0, widths.Length).Where(index => widths[index] > Minimum(shown[index]))
                .DefaultIfEmpty(-1).MaxBy(index => index < 0 ? 0 : widths[index]);
            if (widest < 0)
                break;
            widths[widest]--;
        }
        return widths;

        // A number that is cut off is another number.
        int Minimum((Column Column, int Index) column) => column.Column.MinimumWidth is not { } minimum ? int.MaxValue
            : !column.Column.IsNumber ? minimum
            : _rows.Where(row => row.Heading is null).Select(row => row.Cells[column.Index].Text.Length).Append(minimum)
                .Max();
    }

    private static Line Draw(List<(Column Column, int Index)> shown, int[] widths, Cell[] cells)
    {
        var pieces = new List<Cell>();
        for (var index = 0; index < cells.Length; index++)
        {
            var text = Shorten(cells[index].Text, widths[index]);
            text = shown[index].Column.IsNumber ? text.PadLeft(widths[index]) : index == cells.Length - 1 ? text
                : text.PadRight(widths[index]);
            if (index > 0)
                pieces.Add(new string(' ', Gap));
            pieces.Add(cells[index] with { Text = text });
        }
        return new(pieces);
    }

    private sealed record Row(string? Heading, IReadOnlyList<Cell> Cells);
}
