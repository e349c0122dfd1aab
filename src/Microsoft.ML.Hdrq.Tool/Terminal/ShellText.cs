namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What is printed for people to paste into a shell.</summary>
internal static class ShellText
{
    /// <summary>A name as it is written on a command line.</summary>
    public static string Quoted(string name) =>
        name.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./\\:".Contains(letter, StringComparison.Ordinal))
            ? name
            : $"'{name.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>What to do next with a source network.</summary>
    /// <param name="source">Its file.</param>
    /// <param name="options">More options, each with a space behind it.</param>
    public static string NextAtPlaces(string source, string options = "") =>
        $"Next, at each place: hdrq adapt --network {Quoted(source)} {options}--data FOLDER --output ADAPTED.onnx, with "
        + "--labels none where images have none.";
}
