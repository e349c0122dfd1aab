using System.Text.RegularExpressions;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>
/// Compares what is printed with what a document shows. Numbers depend on images and machines, and may differ; a line
/// of three dots stands for any lines.
/// </summary>
internal static partial class ShownOutput
{
    private const string Dots = "...";

    public static void AssertIsPrinted(IReadOnlyList<string> shown, string printed, string place)
    {
        var lines = Normal(printed.Split('\n'));
        var next = 0;
        var isFree = false;
        foreach (var line in Normal(shown))
        {
            if (line == Dots)
            {
                isFree = true;
                continue;
            }
            var found = lines.IndexOf(line, next);
            Assert.IsTrue(
                isFree ? found >= 0 : found == next, $"{place}: '{line}' should come next. Printed:\n{printed}");
            (next, isFree) = (found + 1, false);
        }
        Assert.IsTrue(isFree || next == lines.Count, $"{place}: more is printed than is shown:\n{printed}");
    }

    private static List<string> Normal(IEnumerable<string> lines) =>
    [
        .. lines.Select(line => Spaces().Replace(Number().Replace(line, "0"), " ").Trim())
            .Where(line => line.Length > 0),
    ];

    [GeneratedRegex(@"\d+([.,]\d+)*(E[+-]?\d+)?")]
    private static partial Regex Number();

    [GeneratedRegex(@"\s+|-{3,}")]
    private static partial Regex Spaces();
}
