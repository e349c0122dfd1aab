using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Results;

[TestClass]
public sealed class ResultsFileTests
{
    private static readonly ResultRow _source = new()
    {
        Stage = "source",
        Method = "FP32",
        Network = "resnet20",
        Domains = new() { ["clean"] = 0.804, ["aaa"] = 0.25 },
    };

    private static readonly ResultRow _merged = new()
    {
        Stage = "merged",
        Method = "HDRQ",
        Network = "resnet20",
        Domains = new() { ["fog"] = 1, ["night"] = 0 },
        WeightBits = 4,
        ActivationBits = 8,
        Seed = 0,
        Merged = ["fog", "night"],
        HarmonicMean = 0.5,
        Bytes = 5_000_000_000,
    };

    [TestMethod]
    public void The_written_text_has_the_agreed_shape()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("new", "results.json");
        var culture = CultureInfo.CurrentCulture;
        try
        {
            // A culture that would write a decimal comma.
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = "," } };
            ResultsFile.Write(path, Document(_source, _merged));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }

        const string expected = """
            {
              "schemaVersion": 1,
              "task": "classification",
              "rows": [
                {
                  "stage": "source",
                  "method": "FP32",
                  "network": "resnet20",
                  "domains": {
                    "clean": 0.804,
                    "aaa": 0.25
                  }
                },
                {
                  "stage": "merged",
                  "method": "HDRQ",
                  "network": "resnet20",
                  "domains": {
                    "fog": 1,
                    "night": 0
                  },
                  "weightBits": 4,
                  "activationBits": 8,
                  "seed": 0,
                  "merged": [
                    "fog",
                    "night"
                  ],
                  "harmonicMean": 0.5,
                  "bytes": 5000000000
                }
              ]
            }

            """;
        Assert.AreEqual(expected, File.ReadAllText(path));
    }

    [TestMethod]
    public void What_is_written_is_read_back()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("results.json");
        ResultsFile.Write(path, Document(_source, _merged));
        var read = ResultsFile.Read(path);

        Assert.AreEqual(1, read.SchemaVersion);
        Assert.AreEqual("classification", read.Task);
        Assert.HasCount(2, read.Rows);
        CollectionAssert.AreEqual(_source.Domains.ToArray(), read.Rows[0].Domains.ToArray());
        CollectionAssert.AreEqual(_merged.Merged!.ToArray(), read.Rows[1].Merged!.ToArray());

        // Records compare collections by reference; those are compared above.
        Assert.AreEqual(_source, read.Rows[0] with { Domains = _source.Domains });
        Assert.AreEqual(_merged, read.Rows[1] with { Domains = _merged.Domains, Merged = _merged.Merged });
    }

    [TestMethod]
    public void Scores_of_classes_are_written_read_back_and_checked()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("results.json");
        ResultsFile.Write(path, Document(
            _source with { Classes = new() { ["fog"] = new() { ["road"] = 0.5, ["sky"] = 1 } } }));
        Assert.Contains("\"classes\": {\n        \"fog\": {\n          \"road\": 0.5,\n          \"sky\": 1\n",
            File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { "road", "sky" }, ResultsFile.Read(path).Rows[0].Classes!["fog"].Keys.ToArray());
        var error = Assert.ThrowsExactly<ArgumentException>(
            () => ResultsFile.Write(path,
                Document(_source with { Classes = new() { ["fog"] = new() { ["road"] = double.NaN } } })));
        Assert.Contains("domain 'fog', class 'road'", error.Message);
    }

    [TestMethod]
    public void Writing_replaces_the_file_and_leaves_no_other()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("results.json");
        ResultsFile.Write(path, Document(_source, _merged));
        ResultsFile.Write(path, Document(_source));
        Assert.HasCount(1, ResultsFile.Read(path).Rows);
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    [DataRow(1.01)]
    [DataRow(-0.01)]
    [DataRow(80.4)]
    [DataRow(double.NaN)]
    public void What_is_no_fraction_is_refused_and_the_old_file_stays(double accuracy)
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("results.json");
        ResultsFile.Write(path, Document(_source));
        var before = File.ReadAllText(path);

        var error = Assert.ThrowsExactly<ArgumentException>(
            () => ResultsFile.Write(path, Document(_source with { Domains = new() { ["fog"] = accuracy } })));
        Assert.Contains("'fog'", error.Message);
        Assert.ThrowsExactly<ArgumentException>(
            () => ResultsFile.Write(path, Document(_source with { HarmonicMean = accuracy })));
        Assert.AreEqual(before, File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    [DataRow("""{"schemaVersion":2,"anything":true}""", "schemaVersion 2; this program reads version 1")]
    [DataRow("""{"schemaVersion":"1","task":"classification","rows":[]}""", "schemaVersion \"1\"")]
    [DataRow("""{"task":"classification","rows":[]}""", "no schemaVersion")]
    [DataRow("[]", "no schemaVersion")]
    [DataRow("""{"schemaVersion":1,"task":"classification"}""", "rows")]
    [DataRow("""{"schemaVersion":1,"task":"classification","rows":null}""", "rows")]
    [DataRow(
        """{"schemaVersion":1,"task":"c","rows":[{"stage":"s","method":"m","network":"n","domains":{"fog":80.4}}]}""",
        "80.4")]
    [DataRow("""{"schemaVersion":1,"task":"c","rows":[null]}""", "null")]
    [DataRow("", "not a results file")]
    public void Other_files_are_refused_by_name(string text, string part)
    {
        using var folder = new TemporaryDirectory();
        Directory.CreateDirectory(folder.Path);
        var path = folder.Combine("results.json");
        File.WriteAllText(path, text);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => ResultsFile.Read(path));
        Assert.Contains(path, error.Message);
        Assert.Contains(part, error.Message);
    }

    private static ResultsDocument Document(params ResultRow[] rows) => new() { Task = "classification", Rows = rows };
}
