using System.Text.Json.Nodes;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>Output for programs.</summary>
[TestClass]
public sealed class JsonTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(_folder.Combine("data"), ["clear", "fog", "night\"\\\n\u001b[2J"], ["bar", "dot"],
            train: 1, test: 1);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), classes: 2);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void Every_line_is_an_object_and_the_results_are_those_of_the_file()
    {
        var outcome = CommandLine.Run(
            "run", "--data", _folder.Combine("data"), "--network", _folder.Combine("network.onnx"),
                "--adaptation-epochs", "1", "--methods", "rtn", "--merge", "all", "--output", _folder.Combine("out"),
                "--json").Done();
        Assert.AreEqual("", outcome.Error);
        var events = Parse(outcome.Out);
        Assert.AreEqual(0, (int)events[^1]["exitCode"]!);
        Assert.AreEqual("end", (string?)events[^1]["event"]);
        Assert.IsNull(events[^1]["message"]);

        var results = events.Single(line => (string?)line["event"] == "results");
        results.Remove("event");
        results.Remove("time");
        var file = JsonNode.Parse(File.ReadAllText(_folder.Combine("out", "results.json")))!;
        Assert.IsTrue(JsonNode.DeepEquals(file, results), results.ToJsonString());
        var rows = events.Where(line => (string?)line["event"] == "network").ToList();
        Assert.HasCount(file["rows"]!.AsArray().Count, rows);
        CollectionAssert.AreEquivalent(
            file["rows"]!.AsArray().Select(row => $"{row!["network"]} {row["domains"]!.ToJsonString()}").ToArray(),
            rows.Select(row => $"{row["network"]} {row["domains"]!.ToJsonString()}").ToArray());
        Assert.IsTrue(File.Exists((string?)events.Single(line => (string?)line["event"] == "use")["model"]));
        // Networks of several places are made at the same time, and end in any order.
        CollectionAssert.AreEquivalent(
            events.Where(line => (string?)line["event"] == "started").Select(line => (string?)line["work"]).ToArray(),
            events.Where(line => (string?)line["event"] == "finished").Select(line => (string?)line["work"]).ToArray());
    }

    [TestMethod]
    [DataRow(3, "info", "{f}/data/clear/train/bar/0.png", "--json")]
    [DataRow(3, "run", "--json", "--data", "{f}")]
    [DataRow(2, "run", "--json", "--data", "{f}/none")]
    [DataRow(2, "merge", "{f}/network.onnx", "--output", "{f}/m.onnx", "--json")]
    [DataRow(2, "adapt", "--json")]
    public void The_last_line_says_what_went_wrong(int exitCode, params string[] arguments)
    {
        var outcome =
            CommandLine.Run([.. arguments.Select(word => word.Replace("{f}", _folder.Path, StringComparison.Ordinal))]);
        Assert.AreEqual(exitCode, outcome.ExitCode);
        var end = Parse(outcome.Out)[^1];
        Assert.AreEqual(exitCode, (int)end["exitCode"]!);
        Assert.IsGreaterThan(10, ((string)end["message"]!).Length);
    }

    [TestMethod]
    public void Other_words_are_no_request_for_it()
    {
        var outcome = CommandLine.Run("run", "--data", _folder.Combine("none"));
        Assert.AreEqual("", outcome.Out);
        Assert.AreNotEqual("", outcome.Error);
    }

    private static List<JsonObject> Parse(string text)
    {
        StringAssert.EndsWith(text, "\n");
        var events = text[..^1].Split('\n').Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        foreach (var line in events)
        {
            Assert.IsTrue(DateTime.TryParse((string)line["time"]!, out _));
            Assert.IsNotEmpty((string)line["event"]!);
        }
        return events;
    }
}
