using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

[TestClass]
public sealed class KubernetesJobTests
{
    private const string QuantizeFile = "quantize-job.yaml";

    private const string MergeFile = "merge-job.yaml";

    /// <summary>Number of the user <c>app</c> of .NET's images, see https://aka.ms/dotnet/images/nonroot.</summary>
    private const long ImageUser = 1654;

    [TestMethod]
    public void There_is_an_index_for_each_domain()
    {
        var job = Read(QuantizeFile).Spec;
        Assert.AreEqual("Indexed", job.CompletionMode);
        Assert.AreEqual(ManyMachinesSample.Domains.Length, job.Completions);
        // Kubernetes takes it for indexed Jobs alone; the others have BackoffLimit.
        Assert.AreEqual(2, job.BackoffLimitPerIndex);
        Assert.IsNull(job.BackoffLimit);
    }

    [TestMethod]
    [DataRow(QuantizeFile)]
    [DataRow(MergeFile)]
    public void What_cannot_succeed_is_not_tried_again_and_what_was_preempted_is(string file)
    {
        var job = Read(file);
        Assert.AreEqual("batch/v1", job.ApiVersion);
        Assert.AreEqual("Job", job.Kind);
        // Kubernetes refuses a failure policy with any other.
        Assert.AreEqual("Never", job.Spec.Template.Spec.RestartPolicy);
        Assert.AreEqual("Failed", job.Spec.PodReplacementPolicy);
        var rules = job.Spec.PodFailurePolicy.Rules;
        Assert.HasCount(2, rules);
        Assert.AreEqual("FailJob", rules[0].Action);
        Assert.AreEqual("In", rules[0].OnExitCodes.OperatorProperty);
        CollectionAssert.AreEqual(new[] { ExitCode.Usage, ExitCode.Input }, rules[0].OnExitCodes.Values.ToArray());
        Assert.AreEqual("Ignore", rules[1].Action);
        Assert.AreEqual("DisruptionTarget", rules[1].OnPodConditions.Single().Type);
    }

    [TestMethod]
    [DataRow(QuantizeFile)]
    [DataRow(MergeFile)]
    public void Containers_are_not_root_find_their_volumes_and_tell_Torch_of_their_cores(string file)
    {
        var pod = Read(file).Spec.Template.Spec;
        Assert.IsTrue(pod.SecurityContext.RunAsNonRoot);
        Assert.AreEqual(ImageUser, pod.SecurityContext.FsGroup);
        foreach (var container in Containers(pod))
        {
            Assert.AreEqual(pod.Containers[0].Image, container.Image);
            Assert.IsFalse(container.SecurityContext.AllowPrivilegeEscalation);
            Assert.IsTrue(container.SecurityContext.ReadOnlyRootFilesystem);
            CollectionAssert.IsSubsetOf(
                container.VolumeMounts.Select(mount => mount.Name).ToArray(),
                pod.Volumes.Select(volume => volume.Name).ToArray());
            if (!container.Args[0].Contains("hdrq ", StringComparison.Ordinal))
                continue;
            var threads = container.Env.Single(variable => variable.Name == "OMP_NUM_THREADS");
            Assert.AreEqual("limits.cpu", threads.ValueFrom.ResourceFieldRef.Resource);
            Assert.IsTrue(container.Resources.Limits.ContainsKey("cpu"));
        }
    }

    [TestMethod]
    public void Every_command_line_is_one_of_the_tool()
    {
        using var shell = Prepare();
        for (var index = 0; index < ManyMachinesSample.Domains.Length; index++)
        {
            foreach (var container in Containers(Read(QuantizeFile).Spec.Template.Spec))
                AssertRuns(shell, container, index);
        }
        foreach (var container in Containers(Read(MergeFile).Spec.Template.Spec))
            AssertRuns(shell, container, index: null);

        foreach (var (_, arguments) in shell.Calls)
            Shell.AssertParses([.. arguments.Select(argument => Absolute(shell, argument))]);
        CollectionAssert.AreEqual(Shell.AllSteps, shell.Steps);
        CollectionAssert.AreEqual(
            ManyMachinesSample.Domains.Select(domain => $"{domain}.onnx").ToArray(),
            shell.Calls[^1].Arguments[1..(ManyMachinesSample.Domains.Length + 1)]);
        Assert.IsTrue(File.Exists(shell.Combine("work", "results", "merged.onnx")));
    }

    [TestMethod]
    public void What_is_there_already_is_kept()
    {
        using var shell = Prepare();
        for (var run = 0; run < 2; run++)
        {
            foreach (var container in Containers(Read(QuantizeFile).Spec.Template.Spec))
                AssertRuns(shell, container, index: 1);
        }
        CollectionAssert.AreEqual(new[] { "adapt noise", "quantize noise" }, shell.Steps);
    }

    [TestMethod]
    public void An_index_without_a_line_fails_the_Job()
    {
        using var shell = Prepare();
        var adapt = Read(QuantizeFile).Spec.Template.Spec.InitContainers[0];
        var (exitCode, output) = Run(shell, adapt, ManyMachinesSample.Domains.Length);
        Assert.AreEqual(ExitCode.Usage, exitCode);
        StringAssert.Contains(output, "domains.txt has no line for index 3.");
        Assert.IsEmpty(shell.Calls);
    }

    [TestMethod]
    public void The_exit_code_and_the_process_are_those_of_the_tool()
    {
        using var shell = Prepare();
        foreach (var container in Containers(Read(QuantizeFile).Spec.Template.Spec))
        {
            Assert.AreEqual(ExitCode.Input, Run(shell, container, 0, ExitCode.Input).ExitCode);
            // A shell that waits would keep the pod's SIGTERM for itself.
            StringAssert.Contains(container.Args[0], "\nexec hdrq ");
        }
    }

    /// <summary>What is misspelt, or is not in Kubernetes's definition of a Job, is refused.</summary>
    private static V1Job Read(string file) =>
        KubernetesYaml.Deserialize<V1Job>(ManyMachinesSample.Text(file), strict: true);

    private static IEnumerable<V1Container> Containers(V1PodSpec pod) => pod.InitContainers.Concat(pod.Containers);

    private static Shell Prepare()
    {
        var shell = new Shell();
        TestImages.WriteClasses(shell.Combine("work", "data"), ManyMachinesSample.Domains, ["a", "b", "c"]);
        TestNetworks.WriteClassifier(shell.Combine("work", "source.onnx"));
        Directory.CreateDirectory(shell.Combine("config"));
        File.Copy(ManyMachinesSample.PathOf("domains.txt"), shell.Combine("config", "domains.txt"));
        return shell;
    }

    private static void AssertRuns(Shell shell, V1Container container, int? index)
    {
        var (exitCode, output) = Run(shell, container, index);
        Assert.AreEqual(0, exitCode, output);
    }

    /// <summary>Runs a container's command with folders of the test where its volumes are.</summary>
    private static (int ExitCode, string Output) Run(Shell shell, V1Container container, int? index, int exitCode = 0)
    {
        Assert.AreEqual("bash", container.Command[0]);
        var volumes = string.Join('|', container.VolumeMounts.Select(mount => mount.MountPath));
        var script = Regex.Replace(
            container.Args.Single(), $@"(?<![\w/])(?:{volumes})/", mount => shell.Combine(mount.Value[1..]));
        var variables = new Dictionary<string, string> { ["STAND_IN_EXIT"] = $"{exitCode}", ["OMP_NUM_THREADS"] = "2" };
        if (index is not null)
            variables["JOB_COMPLETION_INDEX"] = $"{index}";
        return shell.Run(variables, [.. container.Command.Skip(1), script]);
    }

    /// <summary>The networks that are merged are named from the folder that they are in.</summary>
    private static string Absolute(Shell shell, string argument) =>
        Path.GetFullPath(argument, shell.Combine("work", "results", "quantized")) is var path && File.Exists(path)
            ? path
            : argument;
}
