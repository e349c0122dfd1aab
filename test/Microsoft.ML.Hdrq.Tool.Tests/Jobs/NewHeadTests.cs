using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

/// <summary>Networks of other classes than those of the folder, with new heads.</summary>
[TestClass]
public sealed class NewHeadTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare() => _folder = new TemporaryDirectory();

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void A_run_begins_with_a_network_of_other_classes()
    {
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 3);
        TestNetworks.WriteClassifier(F("ten.onnx"), classes: 10);
        string[] line =
        [
            "run", "--data", F("data"), "--network", F("ten.onnx"), "--new-head", "--epochs", "1",
            "--adaptation-epochs", "1", "--validation", "0.4", "--normalization", "imagenet", "--methods", "rtn",
            "--output", F("out"),
        ];
        CommandLine.Run(line).Done();
        using var source = Network.LoadOnnx(F("out", "source.onnx"));
        CollectionAssert.AreEqual(new[] { "bar", "dot", "ring" }, source.ClassNames!.ToArray());
        Assert.IsTrue(source.Parameters.ContainsKey("head.weight"));
        Assert.IsTrue(source.Metadata.ContainsKey(NetworkMetadata.Normalization));
        Assert.IsNotEmpty(Directory.GetFiles(F("out"), "*merged*.zip"));
        // The same again: all is there already; with another rate it is made anew.
        var written = File.GetLastWriteTimeUtc(F("out", "source.onnx"));
        CommandLine.Run(line).Done();
        Assert.AreEqual(written, File.GetLastWriteTimeUtc(F("out", "source.onnx")));
        CommandLine.Run([.. line, "--head-rate", "0.001"]).Done();
        Assert.AreNotEqual(written, File.GetLastWriteTimeUtc(F("out", "source.onnx")));
    }

    [TestMethod]
    public void A_place_adapts_with_a_new_head_for_masks()
    {
        TestImages.WriteMasks(F("data"), ["day", "fog"], ["sky", "road", "car"], train: 3);
        TestNetworks.WriteConvolution(F("features.onnx"), size: -1);
        var said = CommandLine.Run("adapt", "--data", F("data"), "--domain", "fog", "--network", F("features.onnx"),
            "--new-head", "--epochs", "1", "--output", F("fog.onnx")).Done();
        StringAssert.Contains(said.Out, "Written", StringComparison.Ordinal);
        using var network = Network.LoadOnnx(F("fog.onnx"));
        CollectionAssert.AreEqual(new[] { "sky", "road", "car" }, network.ClassNames!.ToArray());
        Assert.AreEqual(4, network.Graph.Outputs[0].Shape.Length);
    }

    private string F(params string[] parts) => _folder.Combine(parts);
}
