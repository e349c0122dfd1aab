using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

/// <summary>
/// A job that is stopped goes on and gives what it would have given; one that is finished changes nothing.
/// </summary>
[TestClass]
public sealed class ResumeTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        // A name of which what is kept beside networks, and what is said, has to take care.
        TestImages.WriteClasses(_folder.Combine("data"), ["clear", "fog", "a b\t[red]"], ["bar", "dot"], train: 1,
            test: 1);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), classes: 2);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void It_gives_the_same_wherever_it_was_stopped()
    {
        Run("whole").Done();
        var whole = Networks("whole");
        Assert.HasCount(7, whole.Keys.Where(name => name.EndsWith(".onnx", StringComparison.Ordinal)).ToList());
        var results = File.ReadAllText(_folder.Combine("whole", "results.json"));

        for (var finished = 1; finished < 7; finished++)
        {
            var output = $"stopped-{finished}";
            var (done, rows) = (0, 0);
            var stopped = Run(output, line =>
            {
                rows = AtLeast(rows, output);
                return line.EndsWith(" s", StringComparison.Ordinal) && ++done == finished;
            });
            Assert.AreEqual(130, stopped.ExitCode, stopped.Out + stopped.Error);
            StringAssert.StartsWith(stopped.Error.TrimEnd().Split('\n')[^1], "Cancelled.");
            rows = AtLeast(rows, output);

            Run(output, _ =>
            {
                rows = AtLeast(rows, output);
                return false;
            }).Done();
            Assert.AreEqual(results, File.ReadAllText(_folder.Combine(output, "results.json")), output);
            var resumed = Networks(output);
            CollectionAssert.AreEquivalent(whole.Keys, resumed.Keys);
            foreach (var (name, (bytes, _)) in whole.Where(file =>
                file.Key.EndsWith(".onnx", StringComparison.Ordinal)))
                CollectionAssert.AreEqual(bytes, resumed[name].Bytes, $"{output} {name}");
        }
    }

    [TestMethod]
    public void A_finished_job_changes_no_network()
    {
        Run("out").Done();
        var (before, results, report) =
            (Networks("out"), File.ReadAllText(_folder.Combine("out", "results.json")),
            File.ReadAllText(_folder.Combine("out", "report.html")));
        Run("out").Done();
        var after = Networks("out");
        CollectionAssert.AreEquivalent(before.Keys, after.Keys);
        foreach (var (name, (bytes, time)) in before)
        {
            CollectionAssert.AreEqual(bytes, after[name].Bytes, name);
            Assert.AreEqual(time, after[name].Time, name);
        }
        Assert.AreEqual(results, File.ReadAllText(_folder.Combine("out", "results.json")));
        Assert.AreEqual(report, File.ReadAllText(_folder.Combine("out", "report.html")));
    }

    /// <summary>Its later networks are made again too, and until they are measured the old results are kept.</summary>
    [TestMethod]
    public void A_finished_job_that_lost_a_network_never_has_fewer_results()
    {
        Run("out").Done();
        var results = File.ReadAllText(_folder.Combine("out", "results.json"));
        var rows = ResultsFile.Read(_folder.Combine("out", "results.json")).Rows.Count;
        File.Delete(Directory.GetFiles(_folder.Combine("out"), "adapted*.onnx")[0]);
        var stopped = Run("out", line =>
        {
            rows = AtLeast(rows, "out");
            return line.EndsWith(" s", StringComparison.Ordinal);
        });
        Assert.AreEqual(130, stopped.ExitCode);
        Assert.AreEqual(results, File.ReadAllText(_folder.Combine("out", "results.json")));
        Run("out", _ =>
        {
            rows = AtLeast(rows, "out");
            return false;
        }).Done();
        Assert.AreEqual(results, File.ReadAllText(_folder.Combine("out", "results.json")));
    }

    [TestMethod]
    public void A_job_that_is_cancelled_leaves_no_temporary_file_and_no_lock()
    {
        var stopped = Run("out", _ => true);
        Assert.AreEqual(130, stopped.ExitCode);
        Assert.IsEmpty(Directory.GetFiles(_folder.Combine("out"), "*.unfinished"));
        Assert.IsFalse(File.Exists(_folder.Combine("out", ".lock")));
    }

    private CommandLine.Outcome Run(string output, Func<string, bool>? endsAfter = null) => CommandLine.Run(
        ["run", "--data", _folder.Combine("data"), "--network", _folder.Combine("network.onnx"), "--adaptation-epochs",
            "1", "--methods", "hdrq", "--iterations", "1", "--merge", "all", "--output", _folder.Combine(output)],
            endsAfter);

    /// <summary>The rows of the results, of which there are never fewer than before.</summary>
    private int AtLeast(int rows, string output)
    {
        var path = _folder.Combine(output, "results.json");
        var count = File.Exists(path) ? ResultsFile.Read(path).Rows.Count : 0;
        Assert.IsGreaterThanOrEqualTo(rows, count);
        return count;
    }

    private Dictionary<string, (byte[] Bytes, DateTime Time)> Networks(string output) =>
        Directory.GetFiles(_folder.Combine(output))
        .Where(path => Path.GetExtension(path) is ".onnx" or ".zip" or ".recipe" or ".scores")
        .ToDictionary(path => Path.GetFileName(path), path =>
            (File.ReadAllBytes(path), File.GetLastWriteTimeUtc(path)));
}
