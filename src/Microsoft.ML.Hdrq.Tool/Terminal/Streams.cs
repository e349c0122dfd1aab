using Spectre.Console;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>Where a command writes.</summary>
/// <param name="Out">Results and progress.</param>
/// <param name="Error">Warnings and errors.</param>
/// <param name="Terminal">The terminal of a person who looks on; null where output goes to a file or a pipe.</param>
internal sealed record Streams(TextWriter Out, TextWriter Error, IAnsiConsole? Terminal)
{
    /// <summary>Those of this process.</summary>
    public static Streams OfProcess() =>
        new(Console.Out, Console.Error, Console.IsOutputRedirected ? null : AnsiConsole.Console);
}
