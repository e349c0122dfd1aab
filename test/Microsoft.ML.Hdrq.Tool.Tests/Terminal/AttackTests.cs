using System.Diagnostics;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.Terminal;

/// <summary>
/// About two minutes of the attack: damaged files, kills, full disks, repetitions, disposal. With the minutes in
/// <c>HDRQ_ATTACK_MINUTES</c> its damaged files take that long; <c>docs/results/reliability.md</c> has an hour of it.
/// </summary>
[TestClass]
public sealed class AttackTests
{
    private static readonly string _program = Path.Combine(
        Repository.Root, "test", "Microsoft.ML.Hdrq.Attack", "bin", Repository.Configuration, "net10.0", "hdrq-attack");

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Nothing_is_lost_and_nothing_crashes()
    {
        using var folder = new TemporaryDirectory();
        var minutes = Environment.GetEnvironmentVariable("HDRQ_ATTACK_MINUTES") ?? "0.6";
        var (exitCode, output) = Run(
            "--minutes", minutes, "--kills", "3", "--races", "3", "--output", folder.Combine("attack"));
        Assert.AreEqual(0, exitCode, output);
        // All parts have begun, and have checked something.
        foreach (var part in new[] { "mutants", "kills", "leaks", "disposal" })
            StringAssert.Contains(output, $"[{part}] ok", part);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Wrong_arguments_are_told_in_one_line()
    {
        var (exitCode, output) = Run("--parts", "mutants,rain");
        Assert.AreEqual(2, exitCode, output);
        Assert.HasCount(1, output.Trim().Split('\n'));
    }

    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo(_program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
