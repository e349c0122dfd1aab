using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Jobs;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

[TestClass]
public sealed class MergeTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        Directory.CreateDirectory(F("sites"));
        TestNetworks.WriteClassifier(F("source.onnx"), seed: 1);
        // In ordinal order capitals come first.
        TestNetworks.WriteClassifier(F("sites", "b.onnx"), seed: 2);
        TestNetworks.WriteClassifier(F("sites", "Z.onnx"), seed: 3);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void Files_of_a_pattern_come_in_ordinal_order_and_weights_belong_to_them()
    {
        Run(F("sites", "*.onnx"), "--weights", "1", "3", "--output", F("pattern.onnx"));
        Run(F("sites", "Z.onnx"), F("sites", "b.onnx"), "--weights", "1", "3", "--output", F("named.onnx"));
        Run(F("sites", "Z.onnx"), F("sites", "b.onnx"), "--weights", "3", "1", "--output", F("turned.onnx"));
        CollectionAssert.AreEqual(File.ReadAllBytes(F("named.onnx")), File.ReadAllBytes(F("pattern.onnx")));
        CollectionAssert.AreNotEqual(File.ReadAllBytes(F("turned.onnx")), File.ReadAllBytes(F("pattern.onnx")));
        AssertParameters(F("pattern.onnx"), (z, b, _) => (z + 3 * b) / 4);
    }

    [TestMethod]
    public void The_file_that_is_written_is_none_of_those_of_the_pattern()
    {
        Run(F("sites", "*.onnx"), "--output", F("sites", "merged.onnx"));
        var first = File.ReadAllBytes(F("sites", "merged.onnx"));
        Run(F("sites", "*.onnx"), "--output", F("sites", "merged.onnx"));
        CollectionAssert.AreEqual(first, File.ReadAllBytes(F("sites", "merged.onnx")));
        AssertParameters(F("sites", "merged.onnx"), (z, b, _) => (z + b) / 2);
    }

    [TestMethod]
    public void Networks_are_merged_by_their_mean()
    {
        Run(F("sites", "*.onnx"), "--merging", "mean", "--output", F("m.onnx"));
        AssertParameters(F("m.onnx"), (z, b, _) => (z + b) / 2);
    }

    /// <summary>
    /// Ilharco et al. (ICLR 2023): the source and a multiple of the mean of the differences to it; 1.15 here.
    /// </summary>
    /// <summary>Nothing is computed, so that images may be of any size, also where one pixel would be too few.</summary>
    [TestMethod]
    public void Networks_for_images_of_any_size_are_merged_without_any()
    {
        foreach (var name in new[] { "one.onnx", "two.onnx" })
            TestNetworks.WriteConvolution(F(name), size: -1, kernel: 7);
        Run(F("one.onnx"), F("two.onnx"), "--output", F("merged.onnx"));
        using var merged = Network.LoadOnnx(F("merged.onnx"));
        CollectionAssert.AreEqual(new long[] { -1, 3, -1, -1 }, merged.Graph.Inputs[0].Shape.ToArray());
    }

    [TestMethod]
    public void Where_networks_carry_no_moments_the_source_says_more_than_the_mean()
    {
        Run(F("sites", "*.onnx"), "--source", F("source.onnx"), "--output", F("merged.onnx"));
        using var merged = Network.LoadOnnx(F("merged.onnx"));
        Assert.AreEqual("RegMean of differences", merged.Metadata[NetworkMetadata.MergeMethod]);
    }

    [TestMethod]
    public void Networks_are_merged_by_task_arithmetic()
    {
        Run(F("sites", "*.onnx"), "--merging", "task-arithmetic", "--source", F("source.onnx"), "--output",
            F("m.onnx"));
        AssertParameters(F("m.onnx"), (z, b, source) => source + 1.15 * ((z - source + b - source) / 2));
    }

    /// <summary>
    /// Yadav et al. (NeurIPS 2023): what is kept of a difference is among its largest fifth, so most weights stay the
    /// source's.
    /// </summary>
    [TestMethod]
    public void Networks_are_merged_by_TIES()
    {
        Run(F("sites", "*.onnx"), "--merging", "ties", "--source", F("source.onnx"), "--output", F("m.onnx"));
        using var merged = Network.LoadOnnx(F("m.onnx"));
        using var source = Network.LoadOnnx(F("source.onnx"));
        var (kept, all) = (0L, 0L);
        foreach (var (name, tensor) in merged.Parameters.Where(parameter =>
            parameter.Key.EndsWith("weight", StringComparison.Ordinal) && parameter.Value.dim() == 4))
        {
            using var scope = torch.NewDisposeScope();
            kept += (tensor == source.Parameters[name]).sum().item<long>();
            all += tensor.numel();
        }
        // Two differences, each with a fifth of its values: at most two fifths are moved.
        Assert.IsGreaterThanOrEqualTo(0.6, (double)kept / all);
        Assert.IsLessThan(0.85, (double)kept / all);
    }

    /// <summary>
    /// The file for ONNX Runtime and the model for ML.NET give the same classes, and these are the classes that
    /// networks have names for.
    /// </summary>
    [TestMethod]
    public void A_model_for_applications_predicts_as_the_network_does()
    {
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 4, test: 5);
        foreach (var domain in new[] { "fog", "night" })
        {
            CommandLine.Run("adapt", "--data", F("data"), "--domain", domain, "--network", F("source.onnx"),
                "--epochs", "1", "--output", F($"{domain}.onnx")).Done();
            CommandLine.Run("quantize", "--data", F("data", domain), "--network", F($"{domain}.onnx"), "--source",
                F("source.onnx"), "--iterations", "1", "--output", F("quantized", $"{domain}.onnx")).Done();
        }
        File.WriteAllLines(F("classes.txt"), ["bar", "dot", "ring"]);
        Run(F("quantized", "*.onnx"), "--output", F("merged.onnx"), "--zip", F("merged.zip"), "--classes",
            F("classes.txt"));

        var evaluated = CommandLine.Run("evaluate", F("merged.onnx"), "--data", F("data"), "--json").Done();
        var scores = evaluated.Lines.Select(line => JsonNode.Parse(line)!)
            .Single(line => (string?)line["event"] == "evaluated")["domains"]!;
        foreach (var domain in new[] { "clear", "fog", "night" })
        {
            var lines = LoadOnlyProgram.Run("accuracy", F("merged.zip"), F("data", domain, "test"));
            Assert.AreEqual(string.Create(CultureInfo.InvariantCulture,
                $"{Math.Round((double)scores[domain]! * 15)} of 15"), lines[0]);
            Assert.AreEqual("none of ours", lines[1]);
        }
    }

    [TestMethod]
    public void A_model_without_names_of_classes_is_warned_of()
    {
        string[] networks = [F("sites", "Z.onnx"), F("sites", "b.onnx")];
        var nameless = CommandLine.Run(["merge", .. networks, "--output", F("m.onnx"), "--zip", F("m.zip")]).Done();
        StringAssert.Contains(nameless.Error, "--classes names them");
        File.WriteAllLines(F("classes.txt"), ["bar", "dot", "ring"]);
        var named = CommandLine.Run([
            "merge", .. networks, "--output", F("m.onnx"), "--zip", F("m.zip"), "--classes", F("classes.txt"),
        ]).Done();
        Assert.DoesNotContain("--classes", named.Error);
    }

    /// <summary>
    /// With images of all places at hand, and with places that send what they measured, the same network comes out.
    /// </summary>
    [TestMethod]
    public void Images_of_all_places_and_moments_of_each_give_the_same_network()
    {
        TestImages.WriteClasses(F("data"), ["fog", "night"], ["bar", "dot", "ring"], train: 12, test: 1);
        string[] networks = [F("sites", "Z.onnx"), F("sites", "b.onnx")];
        Run([.. networks, "--data", F("data"), "--domains", "fog", "night", "--output", F("together.onnx")]);
        Run([.. networks, "--output", F("draft.onnx")]);
        var steps = 0;
        for (var isDraft = true; isDraft; steps++)
        {
            foreach (var (domain, network) in new[] { "fog", "night" }.Zip(networks))
            {
                StringAssert.Contains(
                    CommandLine.Run("measure", F("draft.onnx"), "--network", network, "--data", F("data"), "--domain",
                        domain, "--output", F($"{domain}.moments")).Done().Out,
                    $"step {steps + 1} of ");
            }
            Run([.. networks, "--draft", F("draft.onnx"), "--moments", F("night.moments"), F("fog.moments"), "--output",
                F("next.onnx")]);
            File.Move(F("next.onnx"), F("draft.onnx"), overwrite: true);
            using var next = Network.LoadOnnx(F("draft.onnx"));
            isDraft = next.Metadata.ContainsKey(NetworkMetadata.MergeStep);
            if (isDraft)
                StringAssert.Contains(CommandLine.Run("info", F("draft.onnx")).Done().Out, $"step {steps + 1} of ");
        }
        Assert.IsGreaterThan(3, steps);
        CollectionAssert.AreEqual(File.ReadAllBytes(F("together.onnx")), File.ReadAllBytes(F("draft.onnx")));
        using var merged = Network.LoadOnnx(F("draft.onnx"));
        Assert.AreEqual("mean, second round", merged.Metadata[NetworkMetadata.MergeMethod]);
    }

    /// <summary>
    /// With places in another order than networks nothing is written, and it is said in the command's words.
    /// </summary>
    [TestMethod]
    public void Places_in_another_order_than_the_networks_are_refused()
    {
        var networks = QuantizedSites();
        string[] wrong =
            ["merge", .. networks, "--data", F("data"), "--domains", "night", "fog", "--output", F("m.onnx")];
        var refused = CommandLine.Run(wrong);
        Assert.AreEqual(3, refused.ExitCode);
        StringAssert.Contains(refused.Error, $"'{networks[0]}' look like what '{networks[1]}' was made on");
        StringAssert.Contains(refused.Error, "--domains names them in the order of the files");
        Assert.IsFalse(refused.Error.Contains("MergeOptions", StringComparison.Ordinal), refused.Error);
        Assert.IsFalse(File.Exists(F("m.onnx")));
        CommandLine.Run([.. wrong, "--allow-other-images"]).Done();
        Run([.. networks, "--data", F("data"), "--domains", "fog", "night", "--output", F("m.onnx")]);
    }

    /// <summary>In every step of a second round that places measure.</summary>
    [TestMethod]
    public void Moments_of_other_images_are_refused_in_any_step()
    {
        var networks = QuantizedSites();
        Run([.. networks, "--output", F("0.onnx")]);
        string[] moments = [F("one.moments"), F("two.moments")];
        for (var step = 0; step < 2; step++)
        {
            string[] again =
                ["merge", .. networks, "--draft", F($"{step}.onnx"), "--output", F($"{step + 1}.onnx"), "--moments",
                    .. moments];
            Measure(step, "night", "fog");
            var refused = CommandLine.Run(again);
            Assert.AreEqual(3, refused.ExitCode);
            StringAssert.Contains(refused.Error, "The images were mixed up");
            Measure(step, "fog", "night");
            CommandLine.Run(again).Done();
        }

        void Measure(int step, params string[] domains)
        {
            for (var i = 0; i < domains.Length; i++)
                CommandLine.Run("measure", F($"{step}.onnx"), "--network", networks[i], "--data", F("data"), "--domain",
                    domains[i], "--output", moments[i]).Done();
        }
    }

    /// <summary>The draft goes from place to place, and the last one takes out what only training needs.</summary>
    [TestMethod]
    public void A_draft_is_distilled_at_one_place_after_another()
    {
        var networks = QuantizedSites();
        StringAssert.Contains(
            CommandLine.Run("merge", networks[0], networks[1], "--keep-moments", "--output", F("0.onnx")).Done().Out,
            "hdrq distill");
        var info = CommandLine.Run("info", F("0.onnx")).Done().Out;
        StringAssert.Contains(info, "(low-rank, of 36 images, without noise): hdrq distill at one place after another");
        Assert.IsFalse(info.Contains(NetworkMetadata.KeptSentMoments, StringComparison.Ordinal), info);
        var kept = JsonNode.Parse(CommandLine.Run("info", F("0.onnx"), "--json").Done().Lines[0])!["keptMoments"]!;
        Assert.AreEqual(2, kept["networks"]!.AsArray().Count);
        Assert.AreEqual(36, (int)kept["networks"]![1]!["images"]!);
        Assert.IsNull(kept["networks"]![1]!["noise"]);
        StringAssert.Contains(Distill(0, 0, "fog").Done().Out, "hdrq distill");
        StringAssert.Contains(Distill(1, 1, "night", "--last").Done().Out, "for ONNX Runtime");
        using var before = Network.LoadOnnx(F("0.onnx"));
        using var after = Network.LoadOnnx(F("2.onnx"));
        Assert.AreEqual("RegMean, distilled", after.Metadata[NetworkMetadata.MergeMethod]);
        Assert.IsFalse(after.Metadata.Keys.Any(NetworkFiles.IsKeptMoments));
        Assert.IsFalse(after.Metadata.Keys.Any(
            key => key.StartsWith(NetworkMetadata.KeptSentMoments, StringComparison.Ordinal)));
        Assert.AreNotEqual(before.ParametersSha256(), after.ParametersSha256());

        Refused(Distill(2, 0, "fog"), "hdrq merge --keep-moments keeps them");
        Refused(Distill(0, 0, "night"), "look like those that another of the merged networks was made on");
        // Networks of another kind carry no moments.
        var bare = CommandLine.Run(
            "merge", F("sites", "Z.onnx"), F("sites", "b.onnx"), "--keep-moments", "--output", F("bare.onnx"));
        Refused(bare, $"'{F("sites", "Z.onnx")}' carries none");
        Assert.IsFalse(File.Exists(F("bare.onnx")));

        CommandLine.Outcome Distill(int draft, int own, string domain, params string[] more) => CommandLine.Run(
            ["distill", F($"{draft}.onnx"), "--network", networks[own], "--data", F("data"), "--domain", domain,
                "--rate", "0.01", "--steps", "5", "--output", F($"{draft + 1}.onnx"), .. more]);

        static void Refused(CommandLine.Outcome result, string message)
        {
            Assert.AreEqual(3, result.ExitCode, result.Error);
            StringAssert.Contains(result.Error, message);
        }
    }

    [TestMethod]
    public void The_same_network_under_two_names_is_refused()
    {
        File.Copy(F("sites", "b.onnx"), F("copy.onnx"));
        var refused = CommandLine.Run("merge", F("sites", "*.onnx"), F("copy.onnx"), "--output", F("m.onnx"));
        Assert.AreEqual(2, refused.ExitCode);
        StringAssert.Contains(
            refused.Error,
            $"'{F("sites", "b.onnx")}' and '{F("copy.onnx")}' are the same network; it would count twice.");
    }

    [TestMethod]
    public void Patterns_may_begin_above_the_current_folder()
    {
        var pattern = Path.GetRelativePath(Directory.GetCurrentDirectory(), F("sites", "*.onnx"));
        StringAssert.StartsWith(pattern, "..");
        Run(pattern, "--output", F("above.onnx"));
        Run(F("sites", "*.onnx"), "--output", F("whole.onnx"));
        CollectionAssert.AreEqual(File.ReadAllBytes(F("whole.onnx")), File.ReadAllBytes(F("above.onnx")));
    }

    [TestMethod]
    public void A_draft_that_is_trained_on_is_no_model()
    {
        var refused = CommandLine.Run("merge", F("sites", "b.onnx"), F("sites", "Z.onnx"), "--keep-moments", "--zip",
            F("m.zip"), "--output", F("m.onnx"));
        Assert.AreEqual(2, refused.ExitCode);
        StringAssert.Contains(refused.Error, "--zip is for a finished network");
    }

    [TestMethod]
    public void Classes_are_named_in_the_file()
    {
        File.WriteAllLines(F("classes.txt"), ["bar", "dot", "ring"]);
        Run(F("sites", "*.onnx"), "--classes", F("classes.txt"), "--output", F("m.onnx"));
        using var merged = Network.LoadOnnx(F("m.onnx"));
        CollectionAssert.AreEqual(new[] { "bar", "dot", "ring" }, merged.ClassNames!.ToArray());

        File.AppendAllLines(F("classes.txt"), ["dot"]);
        StringAssert.Contains(Refused(F("sites", "b.onnx")), "names the class 'dot' twice");
        // Those that networks carry stay.
        File.WriteAllLines(F("classes.txt"), ["bar", "dot", "square"]);
        StringAssert.Contains(Refused(F("m.onnx")), "the names of --classes are not those that the networks carry");

        string Refused(string first)
        {
            var refused = CommandLine.Run("merge", first, F("sites", "Z.onnx"), "--classes", F("classes.txt"),
                "--output", F("again.onnx"));
            Assert.AreEqual(3, refused.ExitCode);
            return refused.Error;
        }
    }

    [TestMethod]
    public void Info_says_what_moments_are()
    {
        TestImages.WriteClasses(F("data"), ["fog"], ["bar", "dot", "ring"], train: 12, test: 1);
        string[] networks = [F("sites", "Z.onnx"), F("sites", "b.onnx")];
        Run([.. networks, "--output", F("draft.onnx")]);
        CommandLine.Run("measure", F("draft.onnx"), "--network", networks[0], "--data", F("data"), "--output",
            F("fog.moments")).Done();
        var text = CommandLine.Run("info", F("fog.moments")).Done().Out;
        StringAssert.Contains(text, "36 images");
        StringAssert.Contains(text, "step     1 of ");
        var json = JsonNode.Parse(CommandLine.Run("info", F("fog.moments"), "--json").Done().Lines[0])!;
        Assert.AreEqual(36, (int)json["images"]!);
        using var draft = Network.LoadOnnx(F("draft.onnx"));
        Assert.AreEqual(draft.ParametersSha256(), (string?)json["draft"]);
    }

    /// <summary>Two quantized networks with moments of their own places' images, in data/fog and data/night.</summary>
    private string[] QuantizedSites()
    {
        TestImages.WriteClasses(F("data"), ["fog", "night"], ["bar", "dot", "ring"], train: 12, test: 1);
        return [.. new[] { "fog", "night" }.Zip(["Z", "b"], (domain, name) =>
        {
            CommandLine.Run("quantize", "--data", F("data", domain), "--network", F("sites", $"{name}.onnx"),
                "--source", F("source.onnx"), "--iterations", "1", "--output", F($"{domain}.onnx")).Done();
            return F($"{domain}.onnx");
        })];
    }

    private static void Run(params string[] arguments) => CommandLine.Run(["merge", .. arguments]).Done();

    private string F(params string[] parts) => _folder.Combine(parts);

    /// <summary>The weights of convolutions, which merging does not change otherwise.</summary>
    private void AssertParameters(string merged, Func<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor> expected)
    {
        using var network = Network.LoadOnnx(merged);
        using var z = Network.LoadOnnx(F("sites", "Z.onnx"));
        using var b = Network.LoadOnnx(F("sites", "b.onnx"));
        using var source = Network.LoadOnnx(F("source.onnx"));
        var names = network.Parameters.Keys.Where(name => name.EndsWith("conv1.weight", StringComparison.Ordinal))
            .ToList();
        Assert.IsGreaterThan(2, names.Count);
        foreach (var name in names)
        {
            using var scope = torch.NewDisposeScope();
            Assert.IsTrue(torch.allclose(expected(z.Parameters[name], b.Parameters[name], source.Parameters[name]),
                network.Parameters[name], 1e-5, 1e-7), name);
        }
    }
}
