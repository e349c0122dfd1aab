using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests;

/// <summary>The command <c>hdrq</c> in this process: all of it but for what is the process's own.</summary>
internal static class CommandLine
{
    /// <summary>What a command line gave.</summary>
    /// <param name="ExitCode">The exit code.</param>
    /// <param name="Out">What was written to the standard output.</param>
    /// <param name="Error">What was written to the standard error output.</param>
    public sealed record Outcome(int ExitCode, string Out, string Error)
    {
        /// <summary>The lines of the standard output.</summary>
        public string[] Lines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        /// <summary>The same, where the command line was right.</summary>
        public Outcome Done()
        {
            Assert.AreEqual(0, ExitCode, Out + Error);
            return this;
        }
    }

    /// <summary>Runs a command line.</summary>
    public static Outcome Run(params string[] arguments) => Run(arguments, null);

    /// <summary>Runs a command line, cancelled by what it writes.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="endsAfter">Given each line of the standard output; true ends the work as SIGINT would.</param>
    public static Outcome Run(string[] arguments, Func<string, bool>? endsAfter)
    {
        using var cancellation = new Cancellation();
        using var output = new Watched(line =>
        {
            if (endsAfter?.Invoke(line) == true && cancellation.ExitCode is null)
                cancellation.Cancel(ExitCode.Interrupted);
        });
        using var error = new StringWriter();
        var exitCode = Application.Run(arguments, new Streams(output, error, Terminal: null), cancellation);
        return new(exitCode, output.ToString(), error.ToString());
    }

    private sealed class Watched(Action<string> written) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            written(value ?? "");
        }
    }
}
