using System.Diagnostics;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.Terminal;

/// <summary>A process that is killed inside a network: the same command goes on after its last finished part.</summary>
[TestClass]
public sealed class KilledTests
{
    private static readonly string _program =
        Path.Combine(Repository.Root, "src", "Microsoft.ML.Hdrq.Tool", "bin", Repository.Configuration, "net10.0",
        "hdrq.dll");

    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 4, test: 1);
        TestNetworks.WriteClassifier(F("network.onnx"));
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void Quantizing_loses_at_most_a_block()
    {
        string[] arguments =
        [
            "quantize", "--data", F("data"), "--domain", "fog", "--network", F("network.onnx"), "--source",
            F("network.onnx"), "--iterations", "60",
        ];
        Finish([.. arguments, "--output", F("whole.onnx")]);
        // Killed after two blocks, and after two more.
        var kept = new Dictionary<string, DateTime>();
        foreach (var count in new[] { 2, 4 })
        {
            Kill([.. arguments, "--output", F("killed.onnx")], () => Blocks().Length >= count);
            var blocks = Blocks();
            Assert.IsGreaterThanOrEqualTo(count, blocks.Length);
            Assert.IsFalse(File.Exists(F("killed.onnx")));
            // Those that were there are as they were: none was trained twice.
            foreach (var (path, time) in kept)
                Assert.AreEqual(time, File.GetLastWriteTimeUtc(path), path);
            kept = blocks.ToDictionary(path => path, File.GetLastWriteTimeUtc);
        }
        Finish([.. arguments, "--output", F("killed.onnx")]);
        CollectionAssert.AreEqual(File.ReadAllBytes(F("whole.onnx")), File.ReadAllBytes(F("killed.onnx")));
        Assert.IsEmpty(Directory.GetDirectories(_folder.Path, "*.checkpoint"));

        string[] Blocks() => Checkpoints("killed.onnx", "*-block-*.checkpoint");
    }

    [TestMethod]
    public void Adapting_loses_at_most_an_epoch()
    {
        string[] arguments =
        [
            "adapt", "--data", F("data"), "--domain", "fog", "--network", F("network.onnx"), "--epochs", "40",
            "--validation", "0.3",
        ];
        Finish([.. arguments, "--output", F("whole.onnx")]);
        var last = DateTime.MinValue;
        for (var kill = 0; kill < 2; kill++)
        {
            Kill([.. arguments, "--output", F("killed.onnx")], () => Time() > last);
            Assert.IsFalse(File.Exists(F("killed.onnx")));
            last = Time();
        }
        Finish([.. arguments, "--output", F("killed.onnx")]);
        CollectionAssert.AreEqual(File.ReadAllBytes(F("whole.onnx")), File.ReadAllBytes(F("killed.onnx")));
        Assert.IsEmpty(Directory.GetDirectories(_folder.Path, "*.checkpoint"));

        DateTime Time() => Checkpoints("killed.onnx", "*-epoch.checkpoint") is [var path]
            ? File.GetLastWriteTimeUtc(path) : DateTime.MinValue;
    }

    [TestMethod]
    public void A_run_goes_on_inside_a_network()
    {
        string[] arguments =
        [
            "run", "--data", F("data"), "--network", F("network.onnx"), "--adaptation-epochs", "3", "--methods", "hdrq",
            "--bits", "4,4", "--iterations", "40", "--merge", "all", "--threads", "1",
        ];
        Finish([.. arguments, "--output", F("whole")]);
        foreach (var (network, part) in new[] { ("adapted-fog", "*-epoch"), ("hdrq-w4a4-night", "*-block-1") })
            Kill([.. arguments, "--output", F("killed")],
                () => Checkpoints(Path.Combine("killed", $"{network}.onnx"), $"{part}.checkpoint").Length > 0);
        Finish([.. arguments, "--output", F("killed")]);
        var networks = Directory.GetFiles(F("whole"), "*.onnx");
        Assert.HasCount(7, networks);
        foreach (var network in networks)
        {
            CollectionAssert.AreEqual(
                File.ReadAllBytes(network), File.ReadAllBytes(F("killed", Path.GetFileName(network))), network);
        }
        Assert.IsEmpty(Directory.GetDirectories(F("killed"), "*.checkpoint"));
    }

    private string[] Checkpoints(string network, string pattern)
    {
        var folder = F($"{network}.checkpoint");
        return Directory.Exists(folder) ? Directory.GetFiles(folder, pattern) : [];
    }

    /// <summary>Starts a command, and kills it as soon as something is there.</summary>
    private static void Kill(string[] arguments, Func<bool> isTime)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        while (!isTime())
        {
            Assert.IsFalse(process.HasExited, $"It was over too early.\n{output.Result}{error.Result}");
            Thread.Sleep(1);
        }
        process.Kill();
        process.WaitForExit();
        // 128 and the number of SIGKILL; it did not end by itself.
        if (!OperatingSystem.IsWindows())
            Assert.AreEqual(137, process.ExitCode);
    }

    private static void Finish(string[] arguments)
    {
        using var process = Start(arguments);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output + error.Result);
    }

    private static Process Start(string[] arguments) =>
        Process.Start(new ProcessStartInfo("dotnet", [_program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    private string F(params string[] parts) => _folder.Combine(parts);
}
