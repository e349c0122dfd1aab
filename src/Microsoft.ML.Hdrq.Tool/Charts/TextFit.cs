namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>Fits text into the room that there is.</summary>
internal static class TextFit
{
    /// <summary>
    /// Breaks text at its spaces, where a line would be too wide; a word that is too wide alone stays whole.
    /// </summary>
    /// <param name="text">The text; its own line breaks stay.</param>
    /// <param name="width">The width that there is.</param>
    /// <param name="measure">The width of a line.</param>
    public static string Wrap(string text, double width, Func<string, double> measure)
    {
        var lines = new List<string>();
        foreach (var paragraph in ChartFont.Lines(text))
        {
            var line = "";
            foreach (var word in paragraph.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                var longer = line.Length == 0 ? word : $"{line} {word}";
                if (line.Length > 0 && measure(longer) > width)
                {
                    lines.Add(line);
                    longer = word;
                }
                line = longer;
            }
            lines.Add(line);
        }
        return string.Join('\n', lines);
    }

    /// <summary>Cuts a line that is too wide and ends it with an ellipsis.</summary>
    /// <param name="line">The line.</param>
    /// <param name="width">The width that there is.</param>
    /// <param name="measure">The width of a line.</param>
    public static string Shorten(string line, double width, Func<string, double> measure)
    {
        if (measure(line) <= width)
            return line;
        var runes = line.EnumerateRunes().ToList();
        while (runes.Count > 1 && measure(Shortened()) > width)
            runes.RemoveAt(runes.Count - 1);
        return Shortened();

        string Shortened() => string.Concat(runes).TrimEnd() + "…";
    }
}
