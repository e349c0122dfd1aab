using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>How well merged networks do class by class, as a table for people.</summary>
internal static class ClassTable
{
    private const int ShortestName = 8;

    /// <summary>
    /// The table of the networks that were merged for the most domains; null where no merged network was measured by
    /// class.
    /// </summary>
    /// <param name="document">The results.</param>
    /// <param name="task">What was measured.</param>
    public static TextTable? Create(ResultsDocument document, VisionTask task)
    {
        if (document.Rows.Where(row => row is { Merged: not null, Classes: not null })
            .MaxBy(row => row.Merged!.Count) is not { Merged: { } group, Classes: { } some })
            return null;
        var rows = document.Rows.Where(row => row.Classes is not null && row.Merged?.SequenceEqual(group) == true)
            .ToList();
        var table = new TextTable($"{task.Score} by class, %, merged for {string.Join(" + ", group)}")
            .Add(new TextTable.Column("class", MinimumWidth: ShortestName));
        // The last methods are the product's.
        foreach (var (index, row) in rows.Index())
            table.Add(new TextTable.Column(
                $"{row.Method} {ResultTable.Bits(row)}".TrimEnd(), IsNumber: true, MinimumWidth: ShortestName,
                LeaveOut: index + 1));
        foreach (var domain in group)
        {
            table.AddHeading(domain);
            foreach (var name in some[domain].Keys)
                table.Add([$"  {name}",
                    .. rows.Select(
                        row => (TextTable.Cell)(
                            row.Classes![domain].TryGetValue(name, out var score) ? ResultTable.Percent(score) : ""))]);
        }
        return table;
    }
}
