using System.CommandLine;
using Microsoft.ML.Hdrq.Tool.Commands;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool;

/// <summary>The command <c>hdrq</c>.</summary>
internal static class Application
{
    /// <summary>Does what a command line asks for.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="streams">Where it writes.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Run(IReadOnlyList<string> arguments, Streams streams, Cancellation cancellation)
    {
        Output output = new PlainOutput(streams.Out, streams.Error);
        try
        {
            var exitCode = ExitCode.Done;
            ParseResult? parsed = null;
            var command = HdrqCommand.Create(work =>
            {
                output = work.IsJson ? new JsonOutput(streams.Out, TimeProvider.System)
                    : streams.Terminal is { } terminal ? new TerminalOutput(terminal)
                    : output;
                Arguments.CheckTemporaryFolder();
                if (CommonArguments.TooManyThreads(parsed!) is { } warning)
                    output.Warn(warning);
                work.Run(new Session(output, cancellation.Token));
            });
            // A file name may begin with @.
            parsed = command.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Errors is [var error, ..])
            {
                // Whoever reads events looks for the last of them, whatever it says.
                if (parsed.Tokens.Any(token => token.Value == CommonArguments.JsonName))
                    output = new JsonOutput(streams.Out, TimeProvider.System);
                var (verb, isRoot) = (parsed.CommandResult.Command, parsed.CommandResult.Command == command);
                var message = isRoot && parsed.UnmatchedTokens is [var unknown, ..]
                    ? $"There is no command '{unknown}'; there are "
                        + $"{string.Join(", ", command.Subcommands.Select(one => one.Name))}."
                    : error.Message;
                return End(ExitCode.Usage,
                    $"{message} hdrq{(isRoot ? "" : $" {verb.Name}")} --help says what there is.");
            }
            // Its own handling of signals leaves while work goes on; exceptions are ours too.
            exitCode = parsed.Invoke(
                new InvocationConfiguration
                {
                    Output = streams.Out,
                    Error = streams.Error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null
                });
            return End(exitCode, null);
        }
        // Whatever comes of being cancelled, and ML.NET wraps it in many ways, is that.
        catch (Exception exception) when (cancellation.ExitCode is not null)
        {
            _ = exception;
            return End(cancellation.ExitCode!.Value,
                "Cancelled. The same command goes on from what was finished, if anything was.");
        }
        catch (Exception exception)
        {
            var failure = Failure.Of(exception);
            if (failure.ExitCode == ExitCode.Fault
                && Environment.GetEnvironmentVariable(Failure.FaultDetails) is { Length: > 0 })
                streams.Error.WriteLine(exception);
            return End(failure.ExitCode, failure.Message);
        }

        int End(int exitCode, string? message)
        {
            output.End(exitCode, message);
            return exitCode;
        }
    }
}
