namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

/// <summary>
/// What places and a centre make step by step is what one run makes where all images are together, two networks at once.
/// </summary>
[TestClass]
public sealed class StepsEqualRunTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare() => _folder = new TemporaryDirectory();

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void For_classification()
    {
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
        TestNetworks.WriteClassifier(F("network.onnx"));
        CopyUnlabelled(F("data", "fog", "train"), F("plain"));
        AssertEqual(F("network.onnx"));
    }

    /// <summary>The source network as the centre hands it out: with its normalization in it.</summary>
    [TestMethod]
    public void For_classification_with_normalization()
    {
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
        TestNetworks.WriteClassifier(F("bare.onnx"));
        CommandLine.Run("run", "--data", F("data"), "--network", F("bare.onnx"), "--normalization", "imagenet",
            "--stage", "source", "--output", F("centre")).Done();
        CopyUnlabelled(F("data", "fog", "train"), F("plain"));
        AssertEqual(F("centre", "source.onnx"), "--normalization", "none");
    }

    [TestMethod]
    public void For_segmentation()
    {
        TestImages.WriteMasks(F("data"), ["day", "fog", "night"], ["sky", "road", "car"], train: 3);
        TestNetworks.WriteSegmenter(F("network.onnx"));
        CopyUnlabelled(F("data", "fog", "train", "images"), F("plain"));
        AssertEqual(F("network.onnx"));
    }

    /// <summary>Training images of the places lie in one folder; only the source's have classes.</summary>
    [TestMethod]
    [DataRow("classes")]
    [DataRow("masks")]
    public void Without_labels(string data)
    {
        if (data == "classes")
        {
            TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
            TestNetworks.WriteClassifier(F("network.onnx"));
        }
        else
        {
            TestImages.WriteMasks(F("data"), ["day", "fog", "night"], ["sky", "road", "car"], train: 3);
            TestNetworks.WriteSegmenter(F("network.onnx"));
        }
        // A place that has no classes in its folders learns their names from the source network.
        CommandLine.Run("run", "--data", F("data"), "--network", F("network.onnx"), "--stage", "source", "--output",
            F("centre")).Done();
        var source = F("centre", "source.onnx");
        foreach (var domain in new[] { "fog", "night" })
        {
            var train = F("data", domain, "train");
            CopyUnlabelled(data == "masks" ? Path.Combine(train, "images") : train, F("plain", domain));
            Directory.Delete(train, recursive: true);
            CopyUnlabelled(F("plain", domain), data == "masks" ? Path.Combine(train, "images") : train);
            if (data == "masks")
                continue;
            foreach (var folder in Directory.GetDirectories(train))
            {
                foreach (var file in Directory.GetFiles(folder))
                    File.Move(file, Path.Combine(train, $"{Path.GetFileName(folder)}-{Path.GetFileName(file)}"));
                Directory.Delete(folder);
            }
        }
        CommandLine.Run("run", "--data", F("data"), "--network", source, "--labels", "none", "--methods", "rtn",
            "--bits", "4,4", "--adaptation-epochs", "1", "--merge", "all", "--output", F("out"), "--threads", "1",
            "--at-once", "2").Done();
        Assert.IsTrue(File.Exists(F("out", "rtn-w4a4-merged-fog+night.onnx")));
        foreach (var (name, folder) in new[] { ("a", F("data", "fog")), ("b", F("data", "fog", "train")) })
        {
            CommandLine.Run("adapt", "--data", folder, "--labels", "none", "--network", source, "--epochs",
                "1", "--output", F($"{name}.onnx"), "--threads", "1").Done();
            AssertSame(F("out", "adapted-fog.onnx"), F($"{name}.onnx"));
        }
        var info = CommandLine.Run("info", F("a.onnx"));
        info.Done();
        StringAssert.Contains(info.Out, "without labels, to ");
    }

    /// <summary>Scales and biases of a merged network at a place.</summary>
    [TestMethod]
    public void A_merged_network_is_brought_to_a_place()
    {
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 6);
        TestNetworks.WriteClassifier(F("network.onnx"));
        foreach (var domain in new[] { "fog", "night" })
        {
            CommandLine.Run("quantize", "--data", F("data"), "--domain", domain, "--network", F("network.onnx"),
                "--source", F("network.onnx"), "--iterations", "0", "--output", F($"{domain}.onnx")).Done();
        }
        CommandLine.Run("merge", F("fog.onnx"), F("night.onnx"), "--output", F("merged.onnx")).Done();
        var outcome = CommandLine.Run("adapt", "--merged", F("merged.onnx"), "--data", F("data", "fog"), "--output",
            F("adapted.onnx")).Done();
        var info = CommandLine.Run("info", F("adapted.onnx")).Done();
        StringAssert.Contains(info.Out, "without labels, to 18 images");
        StringAssert.Contains(info.Out, "layers on images of the source");
        // Networks with random weights may be kept, and that is said.
        Assert.AreEqual(
            info.Out.Contains("nothing was learned", StringComparison.Ordinal),
            outcome.Error.Contains("is kept as it is", StringComparison.Ordinal));
    }

    private void AssertEqual(string network, params string[] more)
    {
        more = ["--threads", "1", .. more];
        CommandLine.Run([
            "run", "--data", F("data"), "--network", network, "--methods", "hdrq", "--bits", "4,4", "--iterations",
                "2", "--calibration-images", "5", "--adaptation-epochs", "1", "--merge", "all", "--output", F("out"),
                "--at-once", "2", .. more,
        ]).Done();
        foreach (var domain in new[] { "fog", "night" })
        {
            CommandLine.Run(["adapt", "--data", F("data"), "--domain", domain, "--network", network, "--epochs", "1",
                "--output", F("sites", $"{domain}.onnx"), .. more]).Done();
            AssertSame(F("out", $"adapted-{domain}.onnx"), F("sites", $"{domain}.onnx"));
        }
        foreach (var (name, domain,
            data) in new[] { ("fog", "fog", (string[])["--data", F("data"), "--domain", "fog"]),
            ("folder", "fog", ["--data", F("data", "fog")]), ("plain", "fog", ["--data", F("plain")]),
            ("night", "night", ["--data", F("data"), "--domain", "night"]) })
        {
            var file = F("quantized", $"{name}.onnx");
            CommandLine.Run(["quantize", .. data, "--network", F("sites", $"{domain}.onnx"), "--source", network,
                "--bits", "4,4", "--iterations", "2", "--calibration-images", "5", "--output", file, .. more]).Done();
            AssertSame(F("out", $"hdrq-w4a4-{domain}.onnx"), file);
        }
        CommandLine.Run("merge", F("quantized", "fog.onnx"), F("quantized", "night.onnx"), "--output", F("merged.onnx"),
            "--threads", "1").Done();
        AssertSame(F("out", "hdrq-w4a4-merged-fog+night.onnx"), F("merged.onnx"));
        // Of so few images these carry no moments.
        CommandLine.Run("merge", F("sites", "*.onnx"), "--source", network, "--output", F("full.onnx"),
            "--threads", "1").Done();
        AssertSame(F("out", "fp32-merged-fog+night.onnx"), F("full.onnx"));
        // With images at the merge, which are those of the places and nothing else, such as their masks.
        string[] images = ["second-round", "distilled"];
        CommandLine.Run([
            "compare", "--data", F("data"), "--network", network, "--adapted", F("sites", "{domain}.onnx"),
                "--methods", "hdrq", "--bits", "4,4", "--iterations", "2", "--calibration-images", "5", "--merge", "all",
                "--merging", .. images, "--output", F("compared"), .. more,
        ]).Done();
        foreach (var way in images)
        {
            CommandLine.Run("merge", F("quantized", "fog.onnx"), F("quantized", "night.onnx"), "--merging", way,
                "--data", F("data"), "--domains", "fog", "night", "--output", F($"{way}.onnx"), "--threads", "1").Done();
            AssertSame(F("compared", $"hdrq-w4a4-s1-merged-fog+night-{way}.onnx"), F($"{way}.onnx"));
        }
    }

    private static void AssertSame(string expected, string actual) =>
        CollectionAssert.AreEqual(File.ReadAllBytes(expected), File.ReadAllBytes(actual),
        $"{actual} is not {expected}.");

    /// <summary>
    /// Images as they are where nobody has labelled them: none of the folders of a domain above them.
    /// </summary>
    private static void CopyUnlabelled(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private string F(params string[] parts) => _folder.Combine(parts);
}
