using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>Networks that give more than scores: <c>--scores</c> names the output that is meant.</summary>
[TestClass]
public sealed class ScoresTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(F("data"), ["clear", "fog", "night"], ["bar", "dot", "ring"], train: 4, test: 2);
        TestNetworks.WriteClassifier(F("one.onnx"));
        // The features come first.
        using var network = Network.LoadOnnx(F("one.onnx"));
        var features = network.Graph.Nodes[^1].Inputs[0];
        using var two = network.To(
            network.Device,
            new Graph(
                network.Graph.Inputs, network.Graph.Parameters, network.Graph.Nodes,
                [new GraphValue(features, ElementType.Float32, [-1, 16]), .. network.Graph.Outputs]));
        two.SaveOnnx(F("two.onnx"));
        Scores = network.Graph.Outputs[0].Name;
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    private string Scores { get; set; } = "";

    /// <summary>The named output is all that counts: the same bytes as from a file that has no other.</summary>
    [TestMethod]
    public void The_other_outputs_are_left_out()
    {
        foreach (var (name, scores) in new[] { ("one", (string[])[]), ("two", ["--scores", Scores]) })
        {
            Run(["quantize", "--data", F("data"), "--domain", "fog", "--network", F($"{name}.onnx"), "--source",
                F($"{name}.onnx"), "--iterations", "2", "--output", F(name, "q.onnx"), .. scores]);
            Run(["adapt", "--data", F("data"), "--domain", "fog", "--network", F($"{name}.onnx"), "--epochs", "1",
                "--output", F(name, "a.onnx"), .. scores]);
            Run(["adapt", "--data", F("data"), "--domain", "fog", "--network", F($"{name}.onnx"), "--epochs", "1",
                "--labels", "none", "--output", F(name, "u.onnx"), .. scores]);
            Run(["run", "--data", F("data"), "--network", F($"{name}.onnx"), "--adaptation-epochs", "1", "--iterations",
                "2", "--merge", "all", "--output", F(name, "out"), .. scores]);
            Run(["evaluate", F($"{name}.onnx"), "--data", F("data"), .. scores]);
        }
        foreach (var file in new[] { "q.onnx", "a.onnx", "u.onnx", Path.Combine("out", "hdrq-w4a4-merged-fog+night.onnx") })
            CollectionAssert.AreEqual(File.ReadAllBytes(F("one", file)), File.ReadAllBytes(F("two", file)), file);
    }

    [TestMethod]
    [DataRow("quantize --data {f}/data --domain fog --network {f}/two.onnx --output {f}/new/q.onnx")]
    [DataRow("adapt --data {f}/data --domain fog --network {f}/two.onnx --output {f}/new/a.onnx")]
    [DataRow("adapt --data {f}/data --domain fog --network {f}/two.onnx --output {f}/new/a.onnx --labels none")]
    [DataRow("evaluate {f}/two.onnx --data {f}/data")]
    [DataRow("run --data {f}/data --network {f}/two.onnx --output {f}/new/out")]
    public void Which_is_meant_is_asked_before_any_work(string line)
    {
        var outcome = CommandLine.Run(line.Replace("{f}", _folder.Path, StringComparison.Ordinal).Split(' '));
        Assert.AreEqual(3, outcome.ExitCode, outcome.Out + outcome.Error);
        StringAssert.Contains(outcome.Error, $"{Scores}: Float32[?, 3]; --scores says which one holds the scores.");
        Assert.HasCount(1, outcome.Error.Trim().Split('\n'));
        Assert.IsFalse(Directory.Exists(F("new")));
        outcome = CommandLine.Run(
            [.. line.Replace("{f}", _folder.Path, StringComparison.Ordinal).Split(' '), "--scores", "logits"]);
        Assert.AreEqual(3, outcome.ExitCode, outcome.Out + outcome.Error);
        StringAssert.Contains(outcome.Error, $"There is no output 'logits'; the outputs are ");
        Assert.IsFalse(Directory.Exists(F("new")));
    }

    private static void Run(string[] arguments) => CommandLine.Run(arguments).Done();

    private string F(params string[] parts) => _folder.Combine(parts);
}
