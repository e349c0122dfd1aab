using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks.Files;

namespace Microsoft.ML.Hdrq.Tests.Networks.Files;

/// <summary>What a killed process has left is deleted by the next one, and what a living one uses never is.</summary>
[TestClass]
public sealed class TemporaryFolderTests
{
    private static readonly string _variable = OperatingSystem.IsWindows() ? "TMP" : "TMPDIR";

    private readonly TemporaryDirectory _directory = new();
    private readonly string? _before = Environment.GetEnvironmentVariable(_variable);

    [TestInitialize]
    public void Prepare() => Environment.SetEnvironmentVariable(_variable, _directory.Path);

    [TestCleanup]
    public void CleanUp()
    {
        Environment.SetEnvironmentVariable(_variable, _before);
        _directory.Dispose();
    }

    [TestMethod]
    public void It_is_there_as_long_as_the_object()
    {
        using (var folder = new TemporaryFolder())
        {
            Assert.AreEqual(_directory.Path, Path.GetDirectoryName(folder.Path));
            File.WriteAllText(folder.Combine("a"), "a");
            if (!OperatingSystem.IsWindows())
            {
                Assert.AreEqual(
                    UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
                    File.GetUnixFileMode(folder.Path));
            }
        }
        Assert.IsEmpty(Directory.GetFileSystemEntries(_directory.Path));
    }

    [TestMethod]
    public void What_nobody_holds_is_deleted_and_what_is_in_use_is_not()
    {
        using var used = new TemporaryFolder();
        File.WriteAllText(used.Combine("a"), "a");
        // As a kill leaves them: with both, between the two, and after the folder was deleted.
        var left = Path.Combine(_directory.Path, "hdrq-1");
        Directory.CreateDirectory(Path.Combine(left, "inner"));
        File.WriteAllText(Path.Combine(left, "inner", "model.onnx"), "left");
        File.WriteAllText(left + ".lock", "");
        File.WriteAllText(Path.Combine(_directory.Path, "hdrq-2.lock"), "");
        // Of others: without a lock, and with another name.
        var others = new[] { "hdrq-3", "other" }.Select(name => _directory.Combine(name)).ToList();
        others.ForEach(path => Directory.CreateDirectory(path));
        File.WriteAllText(_directory.Combine("other.lock"), "");

        using (new TemporaryFolder())
        {
            Assert.IsFalse(Directory.Exists(left));
            Assert.IsFalse(File.Exists(left + ".lock"));
            Assert.IsFalse(File.Exists(_directory.Combine("hdrq-2.lock")));
            Assert.AreEqual("a", File.ReadAllText(used.Combine("a")));
            Assert.IsTrue(others.TrueForAll(Directory.Exists));
            Assert.IsTrue(File.Exists(_directory.Combine("other.lock")));
        }
    }

    /// <summary>A link among what is left leads nowhere: only the link goes.</summary>
    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Links_are_not_followed()
    {
        var kept = Directory.CreateDirectory(_directory.Combine("kept")).FullName;
        File.WriteAllText(Path.Combine(kept, "a"), "a");
        File.CreateSymbolicLink(_directory.Combine("hdrq-1"), kept);
        File.WriteAllText(_directory.Combine("hdrq-1.lock"), "");
        Directory.CreateDirectory(_directory.Combine("hdrq-2"));
        File.CreateSymbolicLink(_directory.Combine("hdrq-2", "inner"), kept);
        File.WriteAllText(_directory.Combine("hdrq-2.lock"), "");
        using (new TemporaryFolder())
        {
            Assert.IsFalse(Path.Exists(_directory.Combine("hdrq-1")));
            Assert.IsFalse(Path.Exists(_directory.Combine("hdrq-2")));
            Assert.AreEqual("a", File.ReadAllText(Path.Combine(kept, "a")));
        }
    }

    /// <summary>Another process holds its lock as long as it lives; the shell's <c>flock</c> is not ours.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Another_process_keeps_its_folder_until_it_is_killed()
    {
        var folder = _directory.Combine("hdrq-1");
        Directory.CreateDirectory(folder);
        using var holder = Process.Start(new ProcessStartInfo(
            "bash", ["-c", "exec 9> hdrq-1.lock && flock --exclusive 9 && echo held && exec sleep 600"])
        { WorkingDirectory = _directory.Path, RedirectStandardOutput = true })!;
        try
        {
            Assert.AreEqual("held", holder.StandardOutput.ReadLine());
            new TemporaryFolder().Dispose();
            Assert.IsTrue(Directory.Exists(folder));
        }
        finally
        {
            holder.Kill();
            holder.WaitForExit();
        }
        new TemporaryFolder().Dispose();
        Assert.IsEmpty(Directory.GetFileSystemEntries(_directory.Path));
    }

    [TestMethod]
    public void Many_at_once_do_not_disturb_each_other()
    {
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using var folder = new TemporaryFolder();
            File.WriteAllText(folder.Combine("a"), $"{i}");
            Thread.Yield();
            Assert.AreEqual($"{i}", File.ReadAllText(folder.Combine("a")));
        });
        Assert.IsEmpty(Directory.GetFileSystemEntries(_directory.Path));
    }
}
