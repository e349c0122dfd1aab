using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using SkiaSharp;

namespace Hdrq.Samples.Tests.SegmentationMerge;

/// <summary>The segmentation sample as its users run it: a process of its own.</summary>
[TestClass]
public sealed partial class ProgramTests
{
    private static readonly SampleProgram _program = new("SegmentationMerge");

    private readonly string _folder = Directory.CreateTempSubdirectory("hdrq-").FullName;

    private string Output => Path.Combine(_folder, "output");

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void A_small_folder_goes_the_whole_way()
    {
        var data = Draw(train: 3, test: 2);
        var (exitCode, text, errors) = Run("--data", data, "--epochs", "1", "--iterations", "2", "--output", Output);
        Assert.AreEqual(0, exitCode, errors);

        // One line for each step with its time.
        var steps = StepLine().Matches(text).Select(match => match.Groups["step"].Value).ToList();
        string[] expected =
        [
            "day: source trained",
            .. StreetScenes.Domains.SelectMany(domain => new[] { $"{domain}: adapted", $"{domain}: quantized" }),
            "merged", "measured",
        ];
        CollectionAssert.AreEqual(expected, steps[..^1], text);

        // Scores are percentages, their harmonic mean follows from them, and the sizes are those of the files.
        var rows = RowLine().Matches(text).ToDictionary(match => match.Groups["name"].Value.Trim());
        CollectionAssert.AreEqual(new[] { "Source", "Merged FP32", "Merged W4A4" }, rows.Keys.ToArray());
        foreach (var (name, row) in rows)
        {
            var scores = row.Groups["score"].Captures.Select(
                score => double.Parse(score.Value, CultureInfo.InvariantCulture)).ToList();
            Assert.HasCount(5, scores);
            Assert.IsTrue(scores.TrueForAll(score => score is > 0 and < 100), text);
            Assert.AreEqual(4 / scores[..4].Sum(score => 1 / score), scores[4], 0.1, name);
            var bytes = long.Parse(row.Groups["bytes"].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
            Assert.AreEqual(new FileInfo(Path.Combine(Output, $"{name}.onnx")).Length, bytes);
        }

        // The sheet has a row for each domain and three pictures in it, the first of which is the test image.
        using var sheet = SKBitmap.Decode(Path.Combine(Output, "masks.png"));
        Assert.AreEqual((3 * 3 * 96, 4 * 3 * 64), (sheet.Width, sheet.Height));
        using var image = SKBitmap.Decode(Path.Combine(data, "dusk", "test", "images", "0000.png"));
        for (var i = 0; i < 96 * 64; i++)
            Assert.AreEqual(image.GetPixel(i % 96, i / 96), sheet.GetPixel(3 * (i % 96) + 1, 3 * 64 + 3 * (i / 96) + 1));

        // The saved model needs nothing but ML.NET, and says what the last line says.
        var ml = new MLContext();
        var model = ml.Model.Load(Path.Combine(Output, "merged.zip"), out _);
        var asked = Path.Combine(data, "night", "test", "images", "0001.png");
        var rowsOfOne = ml.Data.LoadFromEnumerable([new { ImagePath = asked, MaskPath = "", Domain = "", Split = "" }]);
        var mask = model.Transform(rowsOfOne).GetColumn<VBuffer<byte>>("PredictedMask").Single().DenseValues().ToArray();
        var most = mask.CountBy(value => value).MaxBy(area => area.Value);
        StringAssert.Contains(
            text, $"{asked}: {100 * most.Value / mask.Length} % {StreetScenes.Classes[most.Key]}", StringComparison.Ordinal);
    }

    [TestMethod]
    public void A_network_from_a_file_is_the_source()
    {
        var network = Path.Combine(_folder, "source.onnx");
        using (var created = DeepLab.Small(StreetScenes.Classes.Count, seed: 2, 64, 96, channels: 2))
            created.SaveOnnx(network);
        var data = Draw(train: 2, test: 1);
        foreach (var domain in new[] { "dusk", "fog" })
            Directory.Delete(Path.Combine(data, domain), recursive: true);
        var (exitCode, text, errors) = Run(
            "--network", network, "--data", data, "--epochs", "1", "--iterations", "1", "--output", Output);
        Assert.AreEqual(0, exitCode, errors);
        Assert.IsFalse(text.Contains("source trained", StringComparison.Ordinal), text);
        Assert.IsTrue(File.Exists(Path.Combine(Output, "merged.zip")));
    }

    [TestMethod]
    [DataRow("'--bits' is not one of --data, --network, --output, --epochs, --iterations, each with a value.", "--bits",
        "4")]
    [DataRow("'--epochs' is not one of --data, --network, --output, --epochs, --iterations, each with a value.", "--epochs")]
    [DataRow("--epochs is '0' and must be a whole number of at least 1.", "--epochs", "0")]
    [DataRow("--iterations is 'many' and must be a whole number of at least 1.", "--iterations", "many")]
    [DataRow("--network: there is no file 'none.onnx'.", "--network", "none.onnx")]
    [DataRow("--data: there is no file 'none/classes.txt' with the names of the classes.", "--data", "none")]
    public void Wrong_arguments_are_refused_in_one_sentence(string reason, params string[] arguments)
    {
        var (exitCode, text, errors) = Run(["--output", Output, .. arguments]);
        Assert.AreEqual(2, exitCode);
        Assert.AreEqual("", text);
        Assert.AreEqual(reason, errors.TrimEnd().Replace('\\', '/'));
        Assert.IsFalse(Directory.Exists(Output));
    }

    [TestMethod]
    public void A_file_that_is_no_network_is_refused_before_any_work()
    {
        File.WriteAllText(Path.Combine(_folder, "text.onnx"), "not a network");
        var (exitCode, text, errors) = Run("--output", Output, "--network", "text.onnx");
        Assert.AreEqual(2, exitCode, text + errors);
        StringAssert.StartsWith(errors, "--network: 'text.onnx': ");
        Assert.HasCount(1, errors.Trim().Split('\n'));
        Assert.AreEqual("", text);
        Assert.IsFalse(Directory.Exists(Output));
    }

    [TestMethod]
    public void A_folder_that_is_not_complete_is_refused()
    {
        var data = Draw(train: 1, test: 1);
        var mask = Path.Combine(data, "fog", "test", "labels", "0000.png");
        File.Delete(mask);
        AssertRefused($"'{Path.Combine(data, "fog", "test", "images", "0000.png")}' has no mask '{mask}'.");
        Directory.Delete(Path.Combine(data, "fog", "test"), recursive: true);
        AssertRefused($"'{data}' must have two domains or more, each with images in train/images and test/images.");

        void AssertRefused(string reason)
        {
            var (exitCode, text, errors) = Run("--output", Output, "--data", data);
            Assert.AreEqual((2, "", $"--data: {reason}"), (exitCode, text, errors.TrimEnd()));
            Assert.IsFalse(Directory.Exists(Output));
        }
    }

    /// <summary>The sample can be read from top to bottom, without another file of the repository.</summary>
    [TestMethod]
    public void The_sample_is_one_page_and_a_half_and_what_draws_its_data()
    {
        var folder = _program.Folder;
        var files = Directory.GetFiles(folder, "*.cs").Select(Path.GetFileName).Order(StringComparer.Ordinal).ToArray();
        CollectionAssert.AreEqual(new[] { "Program.cs", "StreetScenes.cs" }, files);
        Assert.IsLessThanOrEqualTo(200, File.ReadAllLines(Path.Combine(folder, "Program.cs")).Length);
        Assert.IsLessThanOrEqualTo(300, File.ReadAllLines(Path.Combine(folder, "StreetScenes.cs")).Length);
        var references = ProjectReference().Matches(File.ReadAllText(Path.Combine(folder, "SegmentationMerge.csproj")));
        Assert.AreEqual("../../src/Microsoft.ML.Hdrq/Microsoft.ML.Hdrq.csproj", references.Single().Groups[1].Value);
    }

    [GeneratedRegex(@"^ *[\d.]+ s  (?<step>.+?)\r?$", RegexOptions.Multiline)]
    private static partial Regex StepLine();

    [GeneratedRegex(@"^(?<name>Source|Merged \w+)( +(?<score>\d+\.\d))+ +(?<bytes>[\d,]+)\r?$", RegexOptions.Multiline)]
    private static partial Regex RowLine();

    [GeneratedRegex("ProjectReference Include=\"(.+?)\"")]
    private static partial Regex ProjectReference();

    private string Draw(int train, int test)
    {
        var data = Path.Combine(_folder, "data");
        StreetScenes.Draw(data, seed: 3, train, test);
        return data;
    }

    private (int ExitCode, string Text, string Errors) Run(params string[] arguments) =>
        _program.Run(_folder, arguments);
}
