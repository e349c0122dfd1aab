namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>Code that a document prints.</summary>
/// <param name="Place">File and line.</param>
/// <param name="Language">What stands behind the fence.</param>
/// <param name="Lines">The code.</param>
/// <param name="FragmentOf">The file that it is a part of; null for a whole program.</param>
/// <param name="Output">What the document says that it prints; null where it says nothing.</param>
internal sealed record CodeBlock(
    string Place, string Language, IReadOnlyList<string> Lines, string? FragmentOf, IReadOnlyList<string>? Output)
{
    /// <summary>The commands of a shell, with continued lines joined; empty for other languages.</summary>
    public IEnumerable<string> Commands => Language is "" or "sh" or "bash"
        ? string.Join('\n', Lines).Replace("\\\n", " ", StringComparison.Ordinal).Split('\n')
            .Select(line => line.Trim())
        : [];

    /// <summary>The arguments of those commands that are <c>hdrq</c>.</summary>
    public IEnumerable<IReadOnlyList<string>> ToolCommands =>
        Commands.Select(ShellLine.ToolArguments).OfType<IReadOnlyList<string>>();
}
