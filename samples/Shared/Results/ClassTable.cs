using Spectre.Console;

namespace Hdrq.Samples.Results;

/// <summary>How well merged networks do class by class, as a table for people.</summary>
internal static class ClassTable
{
    /// <summary>Draws the table of the networks that were merged for the most domains; null where no merged network was measured by class.</summary>
    /// <param name="document">The results.</param>
    /// <param name="task">What was measured.</param>
    public static Table? Create(ResultsDocument document, SampleTask task)
    {
        if (document.Rows.Where(row => row is { Merged: not null, Classes: not null }).MaxBy(row => row.Merged!.Count) is not { Merged: { } group, Classes: { } some })
            return null;
        var rows = document.Rows.Where(row => row.Classes is not null && row.Merged?.SequenceEqual(group) == true).ToList();
        var table = new Table { Title = new TableTitle($"{task.Score} by class, %, merged for {Markup.Escape(string.Join(" + ", group))}") }.AddColumns("Domain", "Class");
        foreach (var row in rows)
            table.AddColumn(new TableColumn(Markup.Escape($"{row.Method} {ResultTable.Bits(row)}".TrimEnd())).RightAligned());
        foreach (var domain in group)
        {
            foreach (var name in some[domain].Keys)
                table.AddRow([Markup.Escape(domain), Markup.Escape(name), .. rows.Select(row => row.Classes![domain].TryGetValue(name, out var score) ? ResultTable.Percent(score) : "")]);
            table.AddEmptyRow();
        }
        return table;
    }
}
