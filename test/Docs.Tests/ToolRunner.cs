using System.CommandLine;
using Microsoft.ML.Hdrq.Tool;
using Microsoft.ML.Hdrq.Tool.Commands;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>The command <c>hdrq</c>, in this process.</summary>
internal static class ToolRunner
{
    /// <summary>Runs a command line to its end, in the current folder.</summary>
    /// <returns>What it prints.</returns>
    public static string Run(IReadOnlyList<string> arguments, string place)
    {
        using var written = new StringWriter();
        using var errors = new StringWriter();
        using var cancellation = new Cancellation();
        var exitCode = Application.Run(arguments, new Streams(written, errors, null), cancellation);
        Assert.AreEqual(ExitCode.Done, exitCode, $"{place}: hdrq {string.Join(' ', arguments)}\n{written}\n{errors}");
        return written.ToString();
    }

    /// <summary>Reads a command line: verb and options must be those of the command. Files need not be there.</summary>
    public static void Parse(IReadOnlyList<string> arguments, string place)
    {
        var parsed = HdrqCommand.Create(_ => { })
            .Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var errors = parsed.Errors.Select(error => error.Message)
            .Where(message => !message.Contains(": there is no such f", StringComparison.Ordinal));
        Assert.AreEqual("", string.Join('\n', errors), $"{place}: hdrq {string.Join(' ', arguments)}");
    }
}
