using System.Diagnostics;
using System.Reflection;

namespace Hdrq.Samples.Tests;

/// <summary>A sample as a process of its own.</summary>
/// <param name="name">The name of its folder, project and program.</param>
internal sealed class SampleProgram(string name)
{
    private static readonly string _root = FindRoot();

    /// <summary>Its source.</summary>
    public string Folder { get; } = Path.Combine(_root, "samples", name);

    /// <summary>Runs it and gives its exit code, and what it wrote.</summary>
    /// <param name="directory">The current directory.</param>
    /// <param name="arguments">Its arguments.</param>
    public (int ExitCode, string Output, string Error) Run(string directory, params string[] arguments)
    {
        var configuration = typeof(SampleProgram).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
        var program = Path.Combine(Folder, "bin", configuration, "net10.0", $"{name}.dll");
        var start = new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [program, .. arguments])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Hdrq.sln")))
                return directory.FullName;
        }
        throw new InvalidOperationException($"There is no Hdrq.sln above {AppContext.BaseDirectory}.");
    }
}
