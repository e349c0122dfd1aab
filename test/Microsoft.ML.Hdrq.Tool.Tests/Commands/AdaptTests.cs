using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>Adapting without labels, as a person at a terminal meets it.</summary>
[TestClass]
public sealed class AdaptTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(F("data"), ["clear", "fog"], ["bar", "dot", "ring"], train: 8);
        TestNetworks.WriteClassifier(F("source.onnx"));
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    /// <summary>What is printed as the next command has all that it needs, whatever files are called.</summary>
    [TestMethod]
    [DataRow("fog", "fog.onnx")]
    [DataRow("a place", "o'clock.onnx")]
    public void The_next_command_works_as_it_is_printed(string place, string file)
    {
        if (place != "fog")
            Directory.Move(F("data", "fog"), F("data", place));
        var adapted = CommandLine.Run("adapt", "--labels", "none", "--data", F("data"), "--domain", place, "--network",
            F("source.onnx"), "--epochs", "1", "--output", F(file)).Done();
        var line = adapted.Out[(adapted.Out.IndexOf("Next: ", StringComparison.Ordinal) + 6)..].TrimEnd('.', '\n');
        using var shell = new Shell();
        Assert.AreEqual((0, ""), shell.Run([], "-c", line));
        var next = shell.Calls.Single().Arguments
            .Select(word => word == "QUANTIZED.onnx" ? F("quantized.onnx") : word);
        CommandLine.Run([.. next, "--iterations", "0"]).Done();
        Assert.IsTrue(File.Exists(F("quantized.onnx")));
    }

    [TestMethod]
    public void A_kept_source_is_said_in_the_words_of_the_command()
    {
        var image = Directory.GetFiles(F("data", "fog", "train", "bar"))[0];
        Directory.CreateDirectory(F("one"));
        File.Copy(image, F("one", "a.png"));
        var adapted = CommandLine.Run("adapt", "--labels", "none", "--data", F("one"), "--network", F("source.onnx"),
            "--output", F("adapted.onnx")).Done();
        StringAssert.Contains(adapted.Error, "The network is kept as it is: of 1 image too little can be learned");
        StringAssert.Contains(adapted.Out, "the source network as it was");
        Assert.IsFalse(adapted.Error.Contains("'Source'", StringComparison.Ordinal), adapted.Error);
        Assert.IsFalse(adapted.Error.Contains("MinImages", StringComparison.Ordinal), adapted.Error);
        // The centre is told too.
        File.Copy(F("source.onnx"), F("other.onnx"));
        var merged = CommandLine.Run("merge", F("adapted.onnx"), F("other.onnx"), "--output", F("merged.onnx")).Done();
        StringAssert.Contains(merged.Error, $"{F("adapted.onnx")} is not adapted to its place: of 1 image");
        StringAssert.Contains(
            CommandLine.Run("info", F("adapted.onnx")).Done().Out, "of which nothing was learned, the network is as it was");
    }

    /// <summary>
    /// A place without labels may have none to test on, and that is what is said, not that it is not there.
    /// </summary>
    [TestMethod]
    public void A_place_without_test_images_is_not_measured()
    {
        Directory.CreateDirectory(F("data", "night"));
        var refused = CommandLine.Run("evaluate", F("source.onnx"), "--data", F("data"), "--domains", "night");
        Assert.AreEqual(3, refused.ExitCode);
        StringAssert.Contains(refused.Error, $"'{F("data", "night", "test")}' holds no images");
        StringAssert.Contains(refused.Error, "labelled test images");
        var adapted = CommandLine.Run("adapt", "--data", F("data"), "--domain", "fog", "--network", F("source.onnx"),
            "--epochs", "1", "--output", F("fog.onnx"));
        Assert.AreEqual(0, adapted.ExitCode);
        Directory.Delete(F("data", "fog", "train"), recursive: true);
        refused = CommandLine.Run("adapt", "--data", F("data"), "--domain", "fog", "--network", F("source.onnx"),
            "--epochs", "1", "--output", F("fog.onnx"));
        StringAssert.Contains(refused.Error, "--labels none");
    }

    /// <summary>
    /// The centre's run records what places compare with, where normalizations are folded into the layers.
    /// </summary>
    [TestMethod]
    public void The_source_of_a_run_has_statistics_that_places_can_use()
    {
        using (var network = Network.LoadOnnx(F("source.onnx")))
        using (var folded = FoldBatchNormalization.Apply(network))
            folded.SaveOnnx(F("folded.onnx"));
        string[] adapt = ["adapt", "--labels", "none", "--data", F("data", "fog"), "--epochs", "1", "--network"];
        const string Without = "has no statistics";
        StringAssert.Contains(
            CommandLine.Run([.. adapt, F("folded.onnx"), "--output", F("a.onnx")]).Done().Error, Without);
        CommandLine.Run("run", "--data", F("data"), "--network", F("folded.onnx"), "--stage", "source", "--output",
            F("common")).Done();
        StringAssert.Contains(CommandLine.Run("info", F("common", "source.onnx")).Done().Out, "images of the source");
        Assert.IsFalse(
            CommandLine.Run([.. adapt, F("common", "source.onnx"), "--output", F("b.onnx")]).Done().Error
                .Contains(Without, StringComparison.Ordinal));
    }

    private string F(params string[] parts) => _folder.Combine(parts);
}
