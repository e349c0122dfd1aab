using System.Diagnostics;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>
/// The program that proves the library on a GPU, here on the CPU: without libtorch beside it, as it is packed for a
/// machine that has a libtorch of its own.
/// </summary>
[TestClass]
public sealed class GpuProgramTests
{
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
    public void Wrong_arguments_are_told_in_one_line()
    {
        var (exitCode, output) = Repository.Dotnet(
            AppContext.BaseDirectory, Path.Combine(_program, "hdrq-gpu.dll"), "--device", "tpu");
        Assert.AreEqual(2, exitCode, output);
        Assert.HasCount(1, output.Trim().Split('\n'));
    }
}
