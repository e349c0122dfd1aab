using System.Text.RegularExpressions;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What went wrong, in one sentence, and the exit code for it.</summary>
/// <param name="ExitCode">One of <see cref="Terminal.ExitCode"/>.</param>
/// <param name="Message">The sentence.</param>
internal sealed partial record Failure(int ExitCode, string Message)
{
    private const int PosixNoSpace = 28;

    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>What an exception means to the user.</summary>
    public static Failure Of(Exception exception)
    {
        var chain = Chain(exception).ToList();
        if (chain.OfType<OutOfMemoryException>().Any() || chain.Any(inner => OutOfMemory().IsMatch(inner.Message)))
        {
            return new(Terminal.ExitCode.Resources,
                "Memory ran out. Give the process more, or make its batches smaller: --batch-size, --threads 1, "
                + "--at-once 1, fewer --calibration-images.");
        }
        if (chain.OfType<IOException>().FirstOrDefault(IsDiskFull) is { } full)
            return new(Terminal.ExitCode.Resources, $"The disk is full: {FirstLine(full)}");
        var cause = chain.FirstOrDefault(IsOfInput);
        return cause is not null
            ? new(cause is UsageException ? Terminal.ExitCode.Usage : Terminal.ExitCode.Input, FirstLine(cause))
            : new(Terminal.ExitCode.Fault,
                $"A fault of this program, {exception.GetType().Name}: {FirstLine(exception)} "
                + $"Set {FaultDetails}=1 to see where.");
    }

    /// <summary>The environment variable that adds the stack to faults of this program.</summary>
    public const string FaultDetails = "HDRQ_FAULT_DETAILS";

    /// <summary>The exception and what caused it: ML.NET wraps what happens on its threads.</summary>
    private static IEnumerable<Exception> Chain(Exception exception)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            if (inner is not AggregateException)
                yield return inner;
        }
    }

    private static bool IsOfInput(Exception exception) => exception is UsageException or InvalidDataException
        or NotSupportedException or IOException or UnauthorizedAccessException or ArgumentException
        // What steps document for rows, networks and losses that cannot be used.
        or InvalidOperationException { Source: "Microsoft.ML.Hdrq" };

    private static bool IsDiskFull(IOException exception) =>
        exception.HResult == WindowsDiskFull || (exception.HResult & 0xFFFF) == PosixNoSpace;

    /// <summary>
    /// In the command's words, without the name of a parameter, which is nothing of the user's, and without a native
    /// stack.
    /// </summary>
    private static string FirstLine(Exception exception) =>
        OptionNames.In(ParameterName().Replace(exception.Message, "").Split('\n', 2)[0].Trim());

    [GeneratedRegex(@"\s*\(Parameter '[^']*'\)")]
    private static partial Regex ParameterName();

    [GeneratedRegex(@"DefaultCPUAllocator|not enough memory|[Oo]ut of memory|std::bad_alloc|Failed to allocate memory"
        + "|[Cc]annot allocate memory|failed to map segment from shared object(?!: Operation)")]
    private static partial Regex OutOfMemory();
}

/// <summary>A command line that cannot be meant: found before any work.</summary>
/// <param name="message">One sentence that names the option.</param>
internal sealed class UsageException(string message) : Exception(message);
