namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What is printed for people to paste into a shell.</summary>
internal static class ShellText
{
    /// <summary>A name as it is written on a command line.</summary>
    public static string Quoted(string name) =>
        name.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./\\:".Contains(letter, StringComparison.Ordinal))
            ? name
            : $"'{name.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
