using System.Diagnostics;
using System.Runtime.Versioning;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>
/// The program that proves the library on a GPU, here on the CPU: without libtorch beside it, as it is packed for a
/// machine that has a libtorch of its own.
/// </summary>
[TestClass]
public sealed class GpuProgramTests
{
    private static readonly string _sources = Path.Combine(Repository.Root, "test", "Microsoft.ML.Hdrq.Gpu");

    private static readonly string _program =
        Path.Combine(Repository.Root, "test", "Microsoft.ML.Hdrq.Gpu", "bin", Repository.Configuration, "net10.0");

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void It_finds_a_libtorch_in_another_folder_and_passes_on_the_CPU()
    {
        using var folder = new TemporaryDirectory();
        var natives = Path.Combine(_program, "runtimes", Repository.Platform, "native");
        foreach (var file in Directory.EnumerateFiles(_program, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetFileName(file);
            if (name.StartsWith("libtorch", StringComparison.Ordinal) || name is "libc10.so")
                continue;
            var copy = Path.Combine(folder.Path, Path.GetRelativePath(_program, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        var results = Path.Combine(folder.Path, "results.json");
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(folder.Path, "hdrq-gpu.dll"), "--device", "cpu", "--brief", "--parts", "a,b,c,i", "--output",
                results])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LD_LIBRARY_PATH"] = natives;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output + error.Result);
        StringAssert.Contains(File.ReadAllText(results), "as in the file");
    }

    [TestMethod]
    [DataRow("'tpu'|tpu", "--device", "tpu")]
    [DataRow("'--brif'", "--brif")]
    [DataRow("needs a value", "--parts", "--brief")]
    [DataRow("needs a value", "--output")]
    [DataRow("no part 'A'", "--parts", "a,A")]
    [DataRow("abc: it is a number", "--steps", "abc")]
    [DataRow("twice", "--device", "cpu", "--device", "cpu")]
    [DataRow("one of hdrq, qdrop, brecq", "--network", "xyz:fog")]
    [DataRow("need --data", "--parts", "q")]
    [DataRow("no source.onnx", "--parts", "m", "--data", "/nonexistent")]
    [DataRow("find a part of the path", "--output", "/nonexistent/results")]
    public void Wrong_arguments_are_told_in_one_line(string expected, params string[] arguments)
    {
        var (exitCode, output) = Repository.Dotnet(
            AppContext.BaseDirectory, [Path.Combine(_program, "hdrq-gpu.dll"), .. arguments]);
        Assert.AreEqual(2, exitCode, output);
        Assert.HasCount(1, output.Trim().Split('\n'));
        StringAssert.Matches(output, new(expected));
    }

    [TestMethod]
    public void A_GPU_that_is_not_there_is_told_before_any_part()
    {
        if (TorchSharp.torch.cuda.is_available())
            Assert.Inconclusive("This machine has a GPU.");
        var (exitCode, output) = Repository.Dotnet(AppContext.BaseDirectory, Path.Combine(_program, "hdrq-gpu.dll"));
        Assert.AreEqual(1, exitCode, output);
        Assert.HasCount(2, output.Trim().Split('\n'), output);
        StringAssert.Contains(output, "--device cpu");
    }

    /// <summary>Several processes unpack at the same time; a damaged archive leaves nothing behind.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [UnsupportedOSPlatform("windows")]
    public void The_archive_is_unpacked_whole()
    {
        using var folder = new TemporaryDirectory();
        var (app, here) = (folder.Combine("app"), folder.Combine("a b"));
        Directory.CreateDirectory(app);
        Directory.CreateDirectory(here);
        File.WriteAllText(Path.Combine(app, "hdrq-gpu"),
            "#!/bin/sh\nread -r line < \"$(dirname \"$0\")/last\"; echo \"$line $1\"\n");
        File.SetUnixFileMode(Path.Combine(app, "hdrq-gpu"), (UnixFileMode)0b111_101_101);
        var archive = Path.Combine(here, "hdrq-gpu.tar.xz");
        Pack("first");
        File.Copy(Path.Combine(_sources, "run.sh"), Path.Combine(here, "run.sh"));
        var all = Enumerable.Range(0, 6).Select(_ => Task.Run(Run)).ToArray();
        Task.WaitAll(all);
        foreach (var one in all)
            Assert.AreEqual((0, "first --brief\n"), one.Result);
        Pack("second");
        Assert.AreEqual((0, "second --brief\n"), Run());
        var whole = File.ReadAllBytes(archive);
        File.WriteAllBytes(archive, whole[..(whole.Length / 2)]);
        var (exitCode, output) = Run();
        Assert.AreEqual(2, exitCode, output);
        StringAssert.Contains(output, "damaged");
        Assert.HasCount(2, Directory.GetDirectories(here));

        void Pack(string content)
        {
            File.WriteAllText(Path.Combine(app, "last"), content + "\n");
            File.WriteAllBytes(Path.Combine(app, "more"), Enumerable.Range(0, 1 << 20).Select(i => (byte)i).ToArray());
            using var tar = Process.Start("tar", ["-C", app, "-cJf", archive, "."]);
            tar.WaitForExit();
        }

        (int, string) Run()
        {
            var start = new ProcessStartInfo("bash", [Path.Combine(here, "run.sh"), "--brief"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["LIBTORCH"] = folder.Path;
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + error.Result);
        }
    }
}
