using System.Diagnostics;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>Runs compiled programs as processes of their own.</summary>
internal static class ProgramRunner
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>What it prints.</returns>
    public static string Run(string assembly, string directory, string place)
    {
        var own = Path.Combine(AppContext.BaseDirectory, "Docs.Tests");
        var start = new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            ["exec", "--depsfile", $"{own}.deps.json", "--runtimeconfig", $"{own}.runtimeconfig.json", assembly])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // So little work gains nothing from a second thread, and waits for it.
        start.Environment["OMP_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(_patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{place} runs longer than {_patience.TotalMinutes} minutes.");
        }
        Assert.AreEqual(0, process.ExitCode, $"{place} ends with {process.ExitCode}:\n{output.Result}\n{error.Result}");
        return output.Result;
    }
}
