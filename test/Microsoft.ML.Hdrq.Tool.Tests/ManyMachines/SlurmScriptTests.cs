using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Terminal;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

[TestClass]
public sealed class SlurmScriptTests
{
    private static readonly string[] _scripts = ["quantize.sbatch", "merge.sbatch"];

    private Shell _shell = null!;

    [TestInitialize]
    public void Prepare()
    {
        _shell = new Shell();
        File.Copy(ManyMachinesSample.PathOf("domains.txt"), _shell.Combine("domains.txt"));
        TestImages.WriteClasses(_shell.Combine("data"), ManyMachinesSample.Domains, ["a", "b", "c"]);
        TestNetworks.WriteClassifier(_shell.Combine("source.onnx"));
    }

    [TestCleanup]
    public void CleanUp() => _shell?.Dispose();

    [TestMethod]
    public void The_shell_can_read_the_scripts()
    {
        foreach (var script in _scripts)
        {
            var (exitCode, output) = _shell.Run([], "-n", ManyMachinesSample.PathOf(script));
            Assert.AreEqual(0, exitCode, output);
        }
    }

    [TestMethod]
    public void Slurm_takes_the_scripts()
    {
        if (!Slurm("scontrol", "ping").Output.Contains("UP", StringComparison.Ordinal))
            Assert.Inconclusive("There is no running Slurm here.");
        foreach (var script in _scripts)
        {
            var (exitCode, output) = Slurm("sbatch", "--test-only", ManyMachinesSample.PathOf(script));
            Assert.AreEqual(0, exitCode, output);
        }
    }

    [TestMethod]
    public void There_is_an_array_element_for_each_domain() => StringAssert.Contains(
        ManyMachinesSample.Text("quantize.sbatch"),
        string.Create(CultureInfo.InvariantCulture, $"\n#SBATCH --array=0-{ManyMachinesSample.Domains.Length - 1}\n"));

    [TestMethod]
    public void Every_command_line_is_one_of_the_tool()
    {
        for (var index = 0; index < ManyMachinesSample.Domains.Length; index++)
        {
            var (exitCode, output) = Quantize(index, arguments: ["--iterations", "50"]);
            Assert.AreEqual(0, exitCode, output);
        }
        Assert.AreEqual(0, Merge("--merging", "mean").ExitCode);

        foreach (var (threads, arguments) in _shell.Calls)
        {
            Assert.AreEqual("2", threads);
            Shell.AssertParses(arguments);
        }
        CollectionAssert.AreEqual(Shell.AllSteps, _shell.Steps);
        CollectionAssert.AreEqual(new[] { "--iterations", "50" }, _shell.Calls[1].Arguments[^2..]);
        CollectionAssert.AreEqual(
            ManyMachinesSample.Domains.Select(Quantized).ToArray(),
            _shell.Calls[^1].Arguments[1..^6]);
    }

    [TestMethod]
    public void What_is_there_already_is_kept()
    {
        Assert.AreEqual(0, Quantize(1).ExitCode);
        File.Delete(Quantized(ManyMachinesSample.Domains[1]));
        Assert.AreEqual(0, Quantize(1).ExitCode);
        Assert.AreEqual(0, Quantize(1).ExitCode);
        CollectionAssert.AreEqual(new[] { "adapt noise", "quantize noise", "quantize noise" }, _shell.Steps);
    }

    [TestMethod]
    public void What_ran_out_of_time_goes_back_into_the_queue_twice_at_most()
    {
        for (var restarts = 0; restarts <= 3; restarts++)
        {
            var (exitCode, _) = Quantize(2, exitCode: ExitCode.Terminated, restarts: restarts);
            Assert.AreEqual(ExitCode.Terminated, exitCode);
            Assert.HasCount(Math.Min(restarts + 1, 2), _shell.Scontrol);
        }
        // The number of the job alone would be that of the whole array where it is the last element's.
        CollectionAssert.AreEqual(new[] { "requeue 7_2", "requeue 7_2" }, _shell.Scontrol);
    }

    [TestMethod]
    [DataRow(ExitCode.Fault)]
    [DataRow(ExitCode.Usage)]
    [DataRow(ExitCode.Input)]
    [DataRow(ExitCode.Resources)]
    [DataRow(ExitCode.Killed)]
    public void What_failed_is_not_tried_again(int exitCode)
    {
        Assert.AreEqual(exitCode, Quantize(0, exitCode: exitCode).ExitCode);
        Assert.IsEmpty(_shell.Scontrol);
        Assert.HasCount(1, _shell.Calls, "What did not become adapted is not quantized.");
    }

    [TestMethod]
    public void An_element_without_a_line_says_so()
    {
        var (exitCode, output) = Quantize(ManyMachinesSample.Domains.Length);
        Assert.AreNotEqual(0, exitCode);
        StringAssert.Contains(output, "domains.txt has no line for this array element");
        Assert.IsEmpty(_shell.Calls);
    }

    [TestMethod]
    public void The_tool_does_what_the_scripts_ask_for_and_after_a_loss_the_same_again()
    {
        _shell.UseTool();
        var domains = ManyMachinesSample.Domains[..2];
        File.WriteAllLines(_shell.Combine("domains.txt"), domains);
        for (var index = 0; index < domains.Length; index++)
        {
            var (exitCode, output) = Quantize(index, normalization: "imagenet", arguments: ["--iterations", "2"]);
            Assert.AreEqual(0, exitCode, output);
        }
        Assert.AreEqual(0, Merge().ExitCode);
        var merged = File.ReadAllBytes(_shell.Combine("results", "merged.onnx"));
        Assert.IsTrue(File.Exists(_shell.Combine("results", "merged.zip")));
        var pixels = new DenseTensor<float>(new float[3 * 16 * 16], [1, 3, 16, 16]);
        using (var session = new InferenceSession(merged))
        using (var scores = session.Run([NamedOnnxValue.CreateFromTensor(session.InputNames[0], pixels)]))
            CollectionAssert.AreEqual(new[] { 1, 3 }, scores[0].AsTensor<float>().Dimensions.ToArray());

        File.Delete(Quantized(domains[1]));
        Assert.AreEqual(0, Quantize(1, normalization: "imagenet", arguments: ["--iterations", "2"]).ExitCode);
        Assert.AreEqual(0, Merge().ExitCode);
        CollectionAssert.AreEqual(merged, File.ReadAllBytes(_shell.Combine("results", "merged.onnx")));
        CollectionAssert.AreEquivalent(
            (string[])
            [
                .. domains.SelectMany(domain => new[] { $"adapted/{domain}.onnx", $"quantized/{domain}.onnx" }),
                "merged.onnx", "merged.zip",
            ],
            Directory.EnumerateFiles(_shell.Combine("results"), "*", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(_shell.Combine("results"), path)).ToArray(),
            "Nothing unfinished is left behind.");
    }

    private string Quantized(string domain) => _shell.Combine("results", "quantized", $"{domain}.onnx");

    private (int ExitCode, string Output) Quantize(
        int index, int exitCode = 0, int restarts = 0, string normalization = "none", params string[] arguments) =>
        _shell.Run(
        new Dictionary<string, string>
        {
            ["HDRQ_DATA"] = _shell.Combine("data"),
            ["HDRQ_SOURCE"] = _shell.Combine("source.onnx"),
            ["HDRQ_RESULTS"] = _shell.Combine("results"),
            ["HDRQ_NORMALIZATION"] = normalization,
            ["SLURM_ARRAY_JOB_ID"] = "7",
            ["SLURM_ARRAY_TASK_ID"] = index.ToString(CultureInfo.InvariantCulture),
            ["SLURM_CPUS_PER_TASK"] = "2",
            ["SLURM_RESTART_COUNT"] = restarts.ToString(CultureInfo.InvariantCulture),
            ["STAND_IN_EXIT"] = exitCode.ToString(CultureInfo.InvariantCulture),
        },
        [ManyMachinesSample.PathOf("quantize.sbatch"), .. arguments]);

    private (int ExitCode, string Output) Merge(params string[] arguments) => _shell.Run(
        new Dictionary<string, string> { ["HDRQ_RESULTS"] = _shell.Combine("results"), ["SLURM_CPUS_PER_TASK"] = "2" },
        [ManyMachinesSample.PathOf("merge.sbatch"), .. arguments]);

    /// <summary>One of Slurm's own programs; nothing where it is not installed.</summary>
    private static (int ExitCode, string Output) Slurm(string program, params string[] arguments)
    {
        try
        {
            return Shell.Run(new ProcessStartInfo(program, arguments));
        }
        catch (Win32Exception)
        {
            return (-1, "");
        }
    }
}
