using System.Diagnostics;
using System.Reflection;
using System.Text.Json;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>The source tree that the tests were built from, and the <c>dotnet</c> command on it.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Library => Path.Combine(Root, "src", "Microsoft.ML.Hdrq");

    /// <summary>The README that nuget.org shows.</summary>
    public static string PackageReadme => Path.Combine(Library, "PACKAGE.md");

    public static string TestProject =>
        Path.Combine(Root, "test", "Microsoft.ML.Hdrq.Tests", "Microsoft.ML.Hdrq.Tests.csproj");

    public static string SampleProject =>
        Path.Combine(Root, "samples", "ImageClassificationMerge", "ImageClassificationMerge.csproj");

    /// <summary>Debug or Release, as these tests were built.</summary>
    public static string Configuration { get; } =
        typeof(Repository).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    /// <summary>The platform of this machine, as packages name it.</summary>
    public static string Platform { get; } = OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS()
        ? "osx-arm64" : "linux-x64";

    public static string NativeName(string library) =>
        OperatingSystem.IsWindows() ? library + ".dll" : OperatingSystem.IsMacOS() ? $"lib{library}.dylib"
            : $"lib{library}.so";

    public static (int ExitCode, string Output) Dotnet(string directory, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Under "dotnet test" we are MSBuild's grandchild: its own settings must not reach another MSBuild, nor may one
        // outlive this process.
        foreach (var name in start.Environment.Keys.Where(
            name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment["DOTNET_NOLOGO"] = "1";

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    /// <summary>MSBuild's answer to <c>-getProperty</c> or <c>-getItem</c> for two values or more, or for items.</summary>
    public static JsonElement Query(string project, params string[] arguments)
    {
        var (exitCode, output) = Dotnet(Root, ["msbuild", project, .. arguments]);
        Assert.AreEqual(0, exitCode, output);
        return JsonDocument.Parse(output).RootElement;
    }

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null;
            directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Hdrq.sln")))
                return directory.FullName;
        }

        throw new InvalidOperationException($"There is no Hdrq.sln above {AppContext.BaseDirectory}.");
    }
}
