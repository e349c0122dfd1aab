using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.Terminal;

/// <summary>The command as a process: signals, memory, and two at once.</summary>
[TestClass]
public sealed class ProcessTests
{
    /// <summary>
    /// The environment variable with the number of moments at which each of two jobs is ended, for a longer search than
    /// that of every day.
    /// </summary>
    private const string Moments = "HDRQ_SIGNAL_MOMENTS";

    private const int EveryDay = 3;

    private static readonly string _program =
        Path.Combine(Repository.Root, "src", "Microsoft.ML.Hdrq.Tool", "bin", Repository.Configuration, "net10.0",
        "hdrq.dll");

    private TemporaryDirectory _folder = null!;

    public TestContext TestContext { get; set; } = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(F("classes"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
        TestImages.WriteMasks(F("masks"), ["day", "fog", "night"], ["sky", "road", "car"], train: 3);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    [DataRow("classes")]
    [DataRow("masks")]
    public void A_signal_ends_it_in_order_whenever_it_comes(string data)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no signals.");
        var moments = int.TryParse(Environment.GetEnvironmentVariable(Moments), out var number) ? number : EveryDay;
        var (events, duration) = (0, Stopwatch.StartNew());
        using (var process = Start(data, F("whole")))
        {
            var (exitCode, lines, _) = End(process);
            Assert.AreEqual(0, exitCode);
            events = lines.Count;
        }
        var pause = duration.Elapsed / events;
        var random = new Random(1);
        var cancelled = 0;
        for (var moment = 0; moment < moments; moment++)
        {
            var (signal, expected) = moment % 2 == 0 ? ("INT", 130) : ("TERM", 143);
            var output = F($"{data}-{moment}");
            using var process = Start(data, output);
            // Machines are now faster, now slower: so many events, and a part of the time between two. Not of the last
            // ones, behind which there is little to stop.
            var (before, delay) = (1 + random.Next(events * 3 / 4), pause * random.NextDouble());
            var read = Enumerable.Range(0, before).Select(_ => process.StandardOutput.ReadLine()!).ToList();
            Thread.Sleep(delay);
            Signal(process, signal);
            var (exitCode, lines, error) = End(process);
            var said = $"{signal} {delay.TotalMilliseconds:0} ms after event {before} of {events}: {exitCode}\n"
                + $"{string.Join('\n', lines)}\n{error}";
            // A signal that comes when all is done changes nothing.
            var end = JsonNode.Parse(lines.LastOrDefault() ?? read[^1])!;
            Assert.AreEqual(exitCode, (int?)end["exitCode"], said);
            if (exitCode != 0)
            {
                cancelled++;
                Assert.AreEqual(expected, exitCode, said);
                StringAssert.StartsWith((string)end["message"]!, "Cancelled.", said);
            }
            Assert.AreEqual("", error, said);
            foreach (var line in read.Concat(lines))
                Assert.IsNotNull(JsonNode.Parse(line)!["event"], said);
            Assert.IsEmpty(Directory.GetFiles(output, "*.unfinished"), said);
            Assert.IsFalse(File.Exists(Path.Combine(output, ".lock")), said);
            Assert.IsEmpty(Directory.GetFiles(_folder.Path, "core*"), said);
            Directory.Delete(output, recursive: true);
        }
        TestContext.WriteLine($"{data}: {cancelled} of {moments} signals came before the end.");
        Assert.IsGreaterThan(moments / 2, cancelled);
    }

    [TestMethod]
    public void A_person_is_told_too()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no signals.");
        using var process = Start("classes", F("out"), json: false);
        process.StandardOutput.ReadLine();
        Signal(process, "INT");
        var (exitCode, _, error) = End(process);
        Assert.AreEqual(130, exitCode, error);
        // A network that was trained so little may be warned of before.
        Assert.AreEqual(
            "Cancelled. The same command goes on from what was finished, if anything was.",
            error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Single(line => !line.StartsWith("Warning: ", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void A_second_process_is_kept_out_of_the_folder()
    {
        using var first = Start("classes", F("out"));
        first.StandardOutput.ReadLine();
        using (var second = Start("masks", F("out"), json: false))
        {
            var (exitCode, lines, error) = End(second);
            Assert.AreEqual(3, exitCode, error);
            Assert.AreEqual(
                $"Another hdrq is at work in '{F("out")}'; wait until it is done, or give another --output.\n", error);
            Assert.IsEmpty(lines);
        }
        Assert.AreEqual(0, End(first).ExitCode);
        using var third = Start("classes", F("out"));
        Assert.AreEqual(0, End(third).ExitCode);
    }

    [TestMethod]
    public void A_missing_folder_for_temporary_files_is_said_before_any_work()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows makes its own choice where the variable names nothing.");
        using var process = Start("classes", F("out"), json: false, "TMPDIR", F("none"));
        var (exitCode, lines, error) = End(process);
        Assert.AreEqual(2, exitCode, error);
        Assert.AreEqual($"TMPDIR {F("none")}/: there is no such folder; temporary files go there.\n", error);
        Assert.IsEmpty(lines);
        Assert.IsFalse(Directory.Exists(F("out")));
    }

    /// <summary>Where .NET's own memory is short, and where the system's is.</summary>
    [TestMethod]
    [DataRow("DOTNET_GCHeapHardLimit", "0x1000000")]
    [DataRow("ulimit", "6000000")]
    public void Too_little_memory_is_said_in_a_sentence(string limit, string value)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Limits of memory are set as Linux has it.");
        // 64 images of 256 x 256 pixels are a batch, of which a ResNet-14 keeps several GiB to differentiate it.
        TestImages.WriteClasses(F("large"), ["clear", "fog", "night"], ["bar", "dot"], size: 256, train: 32, test: 1);
        using var process = Start("large", F("out"), json: false, limit, value);
        var (exitCode, lines, error) = End(process);
        Assert.AreEqual(4, exitCode, $"{string.Join('\n', lines)}\n{error}");
        StringAssert.StartsWith(error, "Memory ran out. ");
        Assert.AreEqual(1, error.Count(letter => letter == '\n'), error);
    }

    private Process Start(string data, string output, bool json = true, string? limit = null, string value = "")
    {
        string[] arguments =
        [
            _program, "run", "--data", F(data), "--epochs", "1", "--methods", "rtn", "hdrq", "--bits", "4,4",
                "--iterations", "2", "--adaptation-epochs", "1", "--merge", "all", "--output", output, .. json
                ? ["--json"] : Array.Empty<string>(),
        ];
        var start = limit == "ulimit"
            ? new ProcessStartInfo("bash", ["-c", $"ulimit -v {value}; exec dotnet \"$@\"", "hdrq", .. arguments])
            : new ProcessStartInfo("dotnet", arguments);
        (start.WorkingDirectory, start.RedirectStandardOutput, start.RedirectStandardError) =
            (_folder.Path, true, true);
        if (limit is not null)
        {
            // Beside that, no more address space than it takes to begin, on machines with few cores and with many.
            (start.Environment["DOTNET_GCHeapHardLimit"], start.Environment["DOTNET_PROCESSOR_COUNT"],
                start.Environment["OMP_NUM_THREADS"]) = ("0x20000000", "2", "1");
            if (limit != "ulimit")
                start.Environment[limit] = value;
        }
        return Process.Start(start)!;
    }

    private static (int ExitCode, List<string> Lines, string Error) End(Process process)
    {
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)], error.Result);
    }

    private static void Signal(Process process, string signal)
    {
        // It may be over.
        var start = new ProcessStartInfo("kill", [$"-{signal}", $"{process.Id}"]) { RedirectStandardError = true };
        using var kill = Process.Start(start)!;
        kill.WaitForExit();
    }

    private string F(params string[] parts) => _folder.Combine(parts);
}
