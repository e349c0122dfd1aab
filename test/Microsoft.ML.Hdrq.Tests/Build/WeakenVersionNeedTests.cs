using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>Runs the build task, as MSBuild compiles it, on several files at once.</summary>
[TestClass]
[OSCondition(OperatingSystems.Linux)]
public class WeakenVersionNeedTests
{
    private const string Version = "GLIBCXX_3.4.32";
    private static readonly TemporaryDirectory _directory = new();
    private static byte[] _original = [];
    private static int[] _flags = [];
    private static string _library = "";

    [ClassInitialize]
    public static void RunTask(TestContext context)
    {
        var properties = Repository.Query(Repository.TestProject, "-getProperty:NuGetPackageRoot,TorchSharpVersion")
            .GetProperty("Properties");
        _library = Path.Combine(
            properties.GetProperty("NuGetPackageRoot").GetString()!, "torchsharp",
            properties.GetProperty("TorchSharpVersion").GetString()!,
            "runtimes", "linux-x64", "native", "libLibTorchSharp.so");

        (_original, _flags) = SmallElf.Create("GLIBCXX_3.4", "GLIBCXX_3.4.3", Version, "GLIBCXX_3.4.321");
        var broken = (byte[])_original.Clone();
        BinaryPrimitives.WriteInt64LittleEndian(broken.AsSpan(40), long.MaxValue);
        var bigEndian = (byte[])_original.Clone();
        bigEndian[5] = 2;

        var tasks = new StringBuilder();
        Add(tasks, "small", _original);
        Add(tasks, "text", Encoding.ASCII.GetBytes($"no library, though it says {Version}"));
        Add(tasks, "broken", broken);
        Add(tasks, "bigEndian", bigEndian);
        Add(tasks, "truncated", _original[..80]);
        Add(tasks, "other", SmallElf.Create("GLIBCXX_3.4.30").File);
        Add(tasks, "present", SmallElf.Create("GLIBCXX_3.4").File, "GLIBCXX_3.4", onlyIfLacking: true);
        Add(tasks, "lacking", SmallElf.Create("GLIBCXX_9.9.9").File, "GLIBCXX_9.9.9", onlyIfLacking: true);
        tasks.AppendLine(Invocation("real", _library, Version, false));

        var targets = Path.Combine(Repository.Library, "build", "Microsoft.ML.Hdrq.targets");
        File.WriteAllText(_directory.Combine("run.proj"),
            $"""<Project><Import Project="{targets}" /><Target Name="Run">{tasks}</Target></Project>""");
        var (exitCode, output) = Repository.Dotnet(_directory.Path, "msbuild", "run.proj", "-t:Run");
        Assert.AreEqual(0, exitCode, output);
    }

    [ClassCleanup]
    public static void Delete() => _directory.Dispose();

    [TestMethod]
    public void MarksTheOneEntryWeak()
    {
        var expected = (byte[])_original.Clone();
        expected[_flags[2]] = 2;

        CollectionAssert.AreEqual(expected, File.ReadAllBytes(_directory.Combine("small.out")));
    }

    [TestMethod]
    public void MarksOneByteOfTheRealLibrary()
    {
        var before = File.ReadAllBytes(_library);
        var after = File.ReadAllBytes(_directory.Combine("real.out"));

        Assert.HasCount(before.Length, after);
        var at = Assert.ContainsSingle(Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]));
        Assert.AreEqual(0, before[at]);
        Assert.AreEqual(2, after[at]);
        // objdump -p shows the entry as "0x0297f842 0x00 18 GLIBCXX_3.4.32": the hash of the version's name, then the flags.
        Assert.AreEqual(0x0297f842, BinaryPrimitives.ReadInt32LittleEndian(after.AsSpan(at - 4)));
    }

    [TestMethod]
    [DataRow("text")]
    [DataRow("broken")]
    [DataRow("bigEndian")]
    [DataRow("truncated")]
    [DataRow("other")]
    public void LeavesOtherFilesAlone(string name)
    {
        Assert.IsFalse(File.Exists(_directory.Combine(name + ".out")));
        StringAssert.StartsWith(File.ReadAllText(_directory.Combine(name + ".answer")), "left alone");
    }

    [TestMethod]
    public void CopiesNothingWhereTheSystemHasTheVersion()
    {
        Assert.IsFalse(File.Exists(_directory.Combine("present.out")));
        StringAssert.StartsWith(File.ReadAllText(_directory.Combine("present.answer")), "not needed");
    }

    [TestMethod]
    public void CopiesWhereTheSystemLacksTheVersion() => Assert.IsTrue(File.Exists(_directory.Combine("lacking.out")));

    private static void Add(StringBuilder tasks, string name, byte[] content, string version = Version,
        bool onlyIfLacking = false)
    {
        File.WriteAllBytes(_directory.Combine(name), content);
        tasks.AppendLine(Invocation(name, _directory.Combine(name), version, onlyIfLacking));
    }

    // std::cout is a symbol of the version GLIBCXX_3.4.
    private static string Invocation(string name, string source, string version, bool onlyIfLacking) =>
        $"""
        <HdrqWeakenVersionNeed Source="{source}" Destination="{_directory.Combine(name + ".out")}" Answer="{_directory.Combine(name + ".answer")}"
                               Library="libstdc++.so.6" Version="{version}" Symbol="_ZSt4cout" OnlyIfLacking="{onlyIfLacking}" />
        """;
}
