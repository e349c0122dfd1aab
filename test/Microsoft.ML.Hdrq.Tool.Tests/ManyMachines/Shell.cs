using System.Diagnostics;
using Microsoft.ML.Hdrq.Tool.Commands;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

/// <summary>
/// A folder in which scripts run with stand-ins for what a cluster has: <c>srun</c> starts the program that it is
/// given, <c>scontrol</c> and <c>hdrq</c> write down what they are asked for.
/// </summary>
internal sealed class Shell : IDisposable
{
    private const string Bash = "/bin/bash";

    private readonly TemporaryDirectory _folder = new();

    /// <summary>Makes the stand-ins; without bash the test is inconclusive.</summary>
    public Shell()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(Bash))
            Assert.Inconclusive($"The scripts are for Linux with {Bash}.");
        Directory.CreateDirectory(Combine("bin"));
        // Options of srun have their value behind an equals sign.
        StandIn("srun", """
            while [[ $1 == --* ]]; do shift; done
            exec "$@"
            """);
        StandIn("scontrol", $"""
            printf '%s\n' "$*" >> '{Combine("scontrol.txt")}'
            """);
        StandIn("hdrq", $$"""
            printf '%s\0' "$OMP_NUM_THREADS" "$@" >> '{{Combine("hdrq.txt")}}'
            printf '\n' >> '{{Combine("hdrq.txt")}}'
            [ "${STAND_IN_EXIT:-0}" -eq 0 ] || exit "$STAND_IN_EXIT"
            while [ "$1" != --output ]; do shift; done
            mkdir -p "$(dirname "$2")" && touch "$2"
            """);
    }

    /// <summary>A path in the folder, which is the current one of scripts.</summary>
    public string Combine(params string[] parts) => _folder.Combine(parts);

    /// <summary>The calls of <c>hdrq</c>, each with the number of threads that Torch is told of.</summary>
    public IReadOnlyList<(string Threads, string[] Arguments)> Calls => !File.Exists(Combine("hdrq.txt"))
        ? []
        : [.. File.ReadAllText(Combine("hdrq.txt")).Split("\0\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(call => call.Split('\0')).Select(call => (call[0], call[1..]))];

    /// <summary>The calls of <c>hdrq</c>, without their options but for the domain.</summary>
    public string[] Steps =>
        [.. Calls.Select(call => $"{call.Arguments[0]} {Value(call.Arguments, "--domain")}".TrimEnd())];

    /// <summary>What <see cref="Steps"/> are where all domains are adapted and quantized, then merged.</summary>
    public static string[] AllSteps =>
    [
        .. ManyMachinesSample.Domains.SelectMany(domain => new[] { $"adapt {domain}", $"quantize {domain}" }),
        "merge",
    ];

    /// <summary>The calls of <c>scontrol</c>.</summary>
    public string[] Scontrol => File.Exists(Combine("scontrol.txt")) ? File.ReadAllLines(Combine("scontrol.txt")) : [];

    /// <summary>Puts the tool that was built in the place of its stand-in.</summary>
    public void UseTool()
    {
        var host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        StandIn("hdrq", $"""
            exec '{host}' '{typeof(HdrqCommand).Assembly.Location}' "$@"
            """);
    }

    /// <summary>Runs bash in the folder.</summary>
    /// <param name="variables">Variables of the environment.</param>
    /// <param name="arguments">The arguments of bash.</param>
    public (int ExitCode, string Output) Run(Dictionary<string, string> variables, params string[] arguments)
    {
        var start = new ProcessStartInfo(Bash, arguments) { WorkingDirectory = _folder.Path };
        start.Environment["PATH"] = $"{Combine("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        return Run(start);
    }

    /// <summary>Runs a program.</summary>
    public static (int ExitCode, string Output) Run(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    /// <summary>The tool takes a command line: what it names is there, and every option has a right value.</summary>
    public static void AssertParses(string[] arguments)
    {
        var parsed = HdrqCommand.Create(_ => { }).Parse(arguments);
        var errors = string.Join('\n', parsed.Errors.Select(error => error.Message));
        Assert.AreEqual("", errors, string.Join(' ', arguments));
        Assert.AreEqual(arguments[0], parsed.CommandResult.Command.Name);
    }

    public void Dispose() => _folder.Dispose();

    private static string Value(string[] arguments, string option) =>
        arguments.SkipWhile(argument => argument != option).Skip(1).FirstOrDefault("");

    private void StandIn(string name, string script)
    {
        var path = Combine("bin", name);
        File.WriteAllText(path, $"#!{Bash}\n{script}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
