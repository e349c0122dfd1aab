using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using SkiaSharp;

namespace Hdrq.Samples.Tests.ImageClassificationMerge;

[TestClass]
public sealed class ProgramTests
{
    /// <summary>A lesson is read from top to bottom.</summary>
    private const int MostLines = 240;

    private static readonly string[] _classes = ["no_entry", "parking", "priority_road", "yield"];
    private static readonly SampleProgram _program = new("ImageClassificationMerge");
    private static TemporaryDirectory _folder = null!;
    private static string _output = "";

    private sealed record ImageFile(string Path);

    [ClassInitialize]
    public static void Run(TestContext _)
    {
        _folder = new();
        TrafficSigns.Draw(_folder.Combine("data"), seed: 3, trainPerClass: 6, testPerClass: 3, _classes);
        _output = Succeed("--data", "data", "--output", "out", "--epochs", "1", "--iterations", "2");
    }

    [ClassCleanup]
    public static void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void Each_step_says_how_long_it_took()
    {
        string[] steps =
        [
            "Trained on clear",
            "Quantized on fog", "Quantized on night", "Quantized on rain", "Merged", "Measured",
        ];
        var said = Regex.Matches(_output, @"(?m)^(\w[\w ]*?) +\d+\.\d s\r?$").Select(match => match.Groups[1].Value);
        CollectionAssert.AreEqual(steps, said.Where(step => !step.StartsWith("Adapted")).ToArray());
        // After one epoch the source may know too little to learn from itself, and that is said.
        var kept = Regex.Count(_output, "the network of 'source' is kept as it is: ");
        Assert.AreEqual(3, kept + said.Count(step => step.StartsWith("Adapted")));
    }

    [TestMethod]
    public void The_table_has_three_networks_with_their_accuracies_and_sizes()
    {
        Assert.MatchesRegex(@"(?m)^accuracy, % +clear +fog +night +rain +harmonic mean +bytes\r?$", _output);
        foreach (var name in new[] { "source", "merged-FP32", "merged-W4A4" })
        {
            var row = Regex.Match(_output, $@"(?m)^{name} +((?:[\d.]+ +){{4}})([\d.]+) +([\d,]+)\r?$");
            Assert.IsTrue(row.Success, $"{name}\n{_output}");
            // 12 test images a domain.
            var accuracies = Array.ConvertAll(
                row.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries), Number);
            foreach (var accuracy in accuracies)
                Assert.AreEqual(Math.Round(accuracy * 12 / 100), accuracy * 12 / 100, 0.01);
            var harmonic = accuracies.Contains(0) ? 0 : 4 / accuracies.Sum(accuracy => 1 / accuracy);
            Assert.AreEqual(harmonic, Number(row.Groups[2].Value), 0.15);
            Assert.AreEqual(SizeOf($"{name}.onnx"), Number(row.Groups[3].Value));
        }
        // 4 bits in place of 32.
        Assert.IsLessThan(SizeOf("merged-FP32.onnx") / 4, SizeOf("merged-W4A4.onnx"));
    }

    [TestMethod]
    public void The_saved_model_predicts_what_the_program_said()
    {
        var ml = new MLContext();
        var model = ml.Model.Load(_folder.Combine("out", "merged.zip"), out _);
        var said = Regex.Match(_output, @"^(\S+) is predicted as (\w+)\.", RegexOptions.Multiline);
        var row = ml.Data.LoadFromEnumerable([new ImageFile(_folder.Combine(said.Groups[1].Value))]);
        Assert.AreEqual(said.Groups[2].Value, model.Transform(row).GetColumn<string>("Prediction").Single());
    }

    [TestMethod]
    public void The_picture_has_a_row_for_each_domain()
    {
        using var picture = SKBitmap.Decode(_folder.Combine("out", "predictions.png"));
        Assert.AreEqual((640, 256), (picture.Width, picture.Height));
        for (var row = 0; row < 4; row++)
        {
            for (var column = 0; column < 10; column++)
            {
                var frame = picture.GetPixel(64 * column + 1, 64 * row + 1);
                Assert.IsTrue(frame == SKColors.LimeGreen || frame == SKColors.Red, $"{row}, {column}: {frame}");
            }
        }
    }

    [TestMethod]
    public void A_network_may_come_from_a_file()
    {
        TrafficSigns.Draw(_folder.Combine("three"), seed: 3, trainPerClass: 2, testPerClass: 1, _classes);
        Directory.Delete(_folder.Combine("three", "rain"), recursive: true);
        var output = Succeed(
            "--data", "three", "--network", Path.Combine("out", "source.onnx"), "--output", "other",
            "--epochs", "1", "--iterations", "1");
        Assert.DoesNotContain("Trained on", output);
        Assert.MatchesRegex("(?m)^merged-W4A4 +", output);
    }

    [TestMethod]
    [DataRow(
        "'--quick' is not an option; the options are --data, --network, --output, --epochs, --iterations, "
        + "each with a value.",
        "--quick", "1")]
    [DataRow("--data takes a value.", "--data")]
    [DataRow("--epochs and --iterations take a whole number, at least 1.", "--epochs", "many")]
    [DataRow("--epochs and --iterations take a whole number, at least 1.", "--iterations", "0")]
    [DataRow("--data: there is no folder 'nowhere'.", "--data", "nowhere")]
    [DataRow("--network: there is no file 'nothing.onnx'.", "--network", "nothing.onnx")]
    [DataRow("--output: 'file' is a file.", "--output", "file")]
    [DataRow("'one' has 1 domains (<domain>/<train|test>/<class>/<image>), not 3 or more.", "--data", "one")]
    [DataRow("'gap/snow/test' has no images of 'parking', which another folder has.", "--data", "gap")]
    public void Wrong_arguments_are_refused_before_any_work(string sentence, params string[] arguments)
    {
        File.WriteAllText(_folder.Combine("file"), "");
        AddImage("one", "clear", "train", "parking");
        foreach (var domain in new[] { "clear", "fog", "snow" })
        {
            AddImage("gap", domain, "train", "parking");
            AddImage("gap", domain, "test", domain == "snow" ? "yield" : "parking");
        }
        AddImage("gap", "clear", "train", "yield");
        AddImage("gap", "clear", "test", "yield");
        AddImage("gap", "fog", "train", "yield");
        AddImage("gap", "fog", "test", "yield");
        AddImage("gap", "snow", "train", "yield");

        var (exitCode, output, error) = _program.Run(_folder.Path, arguments);
        Assert.AreEqual(2, exitCode, output + error);
        Assert.AreEqual(sentence, error.Trim());
        Assert.AreEqual("", output);
        Assert.IsFalse(Directory.Exists(_folder.Combine("output")));
    }

    [TestMethod]
    public void A_file_that_is_no_network_is_refused_before_any_work()
    {
        File.WriteAllText(_folder.Combine("text.onnx"), "not a network");
        var (exitCode, output, error) = _program.Run(_folder.Path, "--network", "text.onnx");
        Assert.AreEqual(2, exitCode, output + error);
        StringAssert.StartsWith(error, "--network: 'text.onnx': ");
        Assert.HasCount(1, error.Trim().Split('\n'));
        Assert.AreEqual("", output);
        Assert.IsFalse(Directory.Exists(_folder.Combine("output")));
    }

    [TestMethod]
    public void The_lesson_is_one_file_of_the_library_alone()
    {
        CollectionAssert.AreEquivalent(
            new[] { "Program.cs", "TrafficSigns.cs" },
            Directory.GetFiles(_program.Folder, "*.cs").Select(path => Path.GetFileName(path)).ToArray());
        Assert.IsLessThanOrEqualTo(MostLines, File.ReadAllLines(Path.Combine(_program.Folder, "Program.cs")).Length);
        var project = XDocument.Load(Path.Combine(_program.Folder, "ImageClassificationMerge.csproj"));
        var reference = Assert.ContainsSingle(project.Descendants("ProjectReference"));
        Assert.AreEqual("../../src/Microsoft.ML.Hdrq/Microsoft.ML.Hdrq.csproj", reference.Attribute("Include")!.Value);
        Assert.IsEmpty(project.Descendants("Compile"));
    }

    private static void AddImage(params string[] path)
    {
        Directory.CreateDirectory(_folder.Combine(path));
        var image = _folder.Combine("data", "clear", "test", "parking", "0000.png");
        File.Copy(image, Path.Combine(_folder.Combine(path), "0000.png"), overwrite: true);
    }

    private static string Succeed(params string[] arguments)
    {
        var (exitCode, output, error) = _program.Run(_folder.Path, arguments);
        Assert.AreEqual(0, exitCode, output + error);
        return output;
    }

    private static long SizeOf(string file) => new FileInfo(_folder.Combine("out", file)).Length;

    private static double Number(string text) => double.Parse(text, NumberStyles.Number, CultureInfo.InvariantCulture);
}
