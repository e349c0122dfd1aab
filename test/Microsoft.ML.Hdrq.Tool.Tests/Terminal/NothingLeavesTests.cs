using System.Diagnostics;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.Terminal;

/// <summary>
/// What processes write outside of the folders that they were given: nothing. ONNX Runtime's telemetry would show by an
/// identifier of the device below the home folder, which it writes before it looks up a host.
/// </summary>
[TestClass]
public sealed class NothingLeavesTests
{
    private const string Switch = "ORT_DISABLE_TELEMETRY";

    /// <summary>By these ONNX Runtime recognizes build servers, where it reports nothing.</summary>
    private static readonly string[] s_buildServers =
    [
        "CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID",
        "BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER",
    ];

    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Home and temporary folders are given as Linux has it.");
        _folder = new TemporaryDirectory();
        TestNetworks.WriteClassifier(F("a.onnx"), seed: 2);
        TestNetworks.WriteClassifier(F("b.onnx"), seed: 3);
        TestImages.WriteClasses(F("images"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
    }

    [TestCleanup]
    public void CleanUp() => _folder?.Dispose();

    [TestMethod]
    public void The_command_writes_what_it_is_asked_for_and_nothing_else()
    {
        string[][] commands =
        [
            ["merge", F("a.onnx"), F("b.onnx"), "--output", F("out", "m.onnx"), "--zip", F("out", "m.zip")],
            ["info", F("out", "m.zip")],
            ["info", F("out", "m.onnx")],
            [
                "run", "--data", F("images"), "--epochs", "1", "--methods", "rtn", "--bits", "4,4",
                "--adaptation-epochs", "1", "--merge", "all", "--output", F("out", "run"),
            ],
        ];
        foreach (var command in commands)
            Assert.IsEmpty(Written(null, Program("src", "Microsoft.ML.Hdrq.Tool", "hdrq.dll"), command));
    }

    /// <summary>
    /// The same with the user's wish for telemetry: it is kept, and this test sees what the one above looks for.
    /// </summary>
    [TestMethod]
    public void Telemetry_is_left_on_where_the_user_has_turned_it_on()
    {
        string[] merge = ["merge", F("a.onnx"), F("b.onnx"), "--output", F("m.onnx"), "--zip", F("m.zip")];
        var written = Written("0", Program("src", "Microsoft.ML.Hdrq.Tool", "hdrq.dll"), merge);
        Assert.IsTrue(written.Any(path => Path.GetFileName(path) == "deviceid"), string.Join('\n', written));
    }

    /// <summary>The variable is what the guide asks of applications without the library.</summary>
    [TestMethod]
    [DataRow(null, true)]
    [DataRow("1", false)]
    public void An_application_that_only_loads_the_model_needs_the_variable(string? value, bool reports)
    {
        File.WriteAllLines(F("classes.txt"), ["bar", "dot", "ring"]);
        CommandLine.Run(
            "merge", F("a.onnx"), F("b.onnx"), "--classes", F("classes.txt"),
            "--output", F("m.onnx"), "--zip", F("m.zip")).Done();
        var program = Program("test", "Microsoft.ML.Hdrq.LoadOnly", "Microsoft.ML.Hdrq.LoadOnly.dll");
        var written = Written(value, program, ["accuracy", F("m.zip"), F("images", "fog", "test")]);
        Assert.AreEqual(reports, written.Any(path => Path.GetFileName(path) == "deviceid"), string.Join('\n', written));
    }

    /// <summary>Runs a program and gives what it leaves in a home and a temporary folder that were empty.</summary>
    private List<string> Written(string? telemetry, string program, string[] arguments)
    {
        var (home, temporary) = (F("home"), F("temporary"));
        Directory.CreateDirectory(home);
        Directory.CreateDirectory(temporary);
        var start = new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            WorkingDirectory = _folder.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        (start.Environment["HOME"], start.Environment["TMPDIR"]) = (home, temporary);
        var places = start.Environment.Keys.Where(name => name.StartsWith("XDG_", StringComparison.Ordinal));
        foreach (var name in places.Concat(s_buildServers).ToList())
            start.Environment.Remove(name);
        start.Environment[Switch] = telemetry;
        if (telemetry is null)
            start.Environment.Remove(Switch);
        using (var process = Process.Start(start)!)
        {
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(0, process.ExitCode, output + error.Result);
        }
        List<string> written =
        [
            .. Directory.GetFiles(home, "*", SearchOption.AllDirectories),
            .. Directory.GetFiles(temporary, "*", SearchOption.AllDirectories),
        ];
        Directory.Delete(home, recursive: true);
        Directory.Delete(temporary, recursive: true);
        return written;
    }

    private static string Program(string folder, string project, string file) =>
        Path.Combine(Repository.Root, folder, project, "bin", Repository.Configuration, "net10.0", file);

    private string F(params string[] parts) => _folder.Combine(parts);
}
