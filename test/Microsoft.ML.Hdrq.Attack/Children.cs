using System.Diagnostics;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>Processes that are waited for, or killed.</summary>
internal static class Children
{
    /// <summary>Runs a process to its end, or kills it.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="killAfter">When it is killed as by a power failure; null to wait.</param>
    /// <returns>Its exit code, null where it was killed, and what it wrote.</returns>
    public static (int? ExitCode, string Output, string Error) Run(
        string program, string[] arguments, TimeSpan? killAfter = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        var killed = killAfter is { } delay && !process.WaitForExit(delay);
        if (killed)
            process.Kill(entireProcessTree: true);
        process.WaitForExit();
        return (killed ? null : process.ExitCode, output.Result, error.Result);
    }
}
