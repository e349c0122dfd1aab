using System.Globalization;
using System.Text.RegularExpressions;

namespace Hdrq.Samples.Tests.Lessons;

[TestClass]
public sealed class LessonsTests
{
    private static readonly SampleProgram _program = new("Lessons");
    private static TemporaryDirectory _folder = null!;

    [ClassInitialize]
    public static void CreateFolder(TestContext _) => _folder = new();

    [ClassCleanup]
    public static void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void Every_lesson_is_listed_and_is_a_file()
    {
        var (exitCode, output, _) = _program.Run(_folder.Path);
        Assert.AreEqual(0, exitCode);
        // sites-and-centre is in SitesAndCentre.cs.
        var listed = Regex.Matches(output, "^  ([a-z-]+) ", RegexOptions.Multiline)
            .Select(match => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(match.Groups[1].Value))
            .Select(name => name.Replace("-", "", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToArray();
        var files = Directory.GetFiles(_program.Folder, "*.cs").Select(path => Path.GetFileNameWithoutExtension(path))
            .Where(name => name != "Program").Order(StringComparer.Ordinal).ToArray();
        CollectionAssert.AreEqual(files, listed);
    }

    [TestMethod]
    public void Sites_and_centre_merge_files()
    {
        var output = Run("sites-and-centre");
        foreach (var file in new[] { "source.onnx", "fog.onnx", "night.onnx", "merged.zip" })
            Assert.IsTrue(File.Exists(_folder.Combine(file)), file);
        StringAssert.Contains(output, "fog.onnx: HDRQ, W4A4, 160 images, source ");
        // Four classes: 25 % of the predictions are right by chance.
        foreach (Match accuracy in Regex.Matches(output, @"merged, \w+: ([\d.]+)"))
            Assert.IsGreaterThan(50.0, Number(accuracy.Groups[1].Value), output);
        Assert.HasCount(2, Regex.Matches(output, "^merged, ", RegexOptions.Multiline));
    }

    [TestMethod]
    public void A_merged_network_goes_from_site_to_site()
    {
        var output = Run("in-turns");
        var accuracies = Regex.Matches(output, @"^(merged|after fog|after night): fog ([\d.]+)\s?%, night ([\d.]+)\s?%",
            RegexOptions.Multiline);
        Assert.HasCount(3, accuracies);
        foreach (Match line in accuracies)
            Assert.IsGreaterThan(50.0, Number(line.Groups[2].Value) + Number(line.Groups[3].Value) - 50, output);
        // The last site takes out what only training needs.
        Assert.IsLessThan(
            new FileInfo(_folder.Combine("after-fog.onnx")).Length,
            new FileInfo(_folder.Combine("after-night.onnx")).Length);
    }

    [TestMethod]
    public void Serving_answers_posted_images()
    {
        var output = Run("serving");
        foreach (var name in new[] { "no_entry", "parking", "yield" })
        {
            Assert.MatchesRegex(
                $@"(?m)^{name}: 200 {{""prediction"":""(no_entry|parking|priority_road|yield)"",", output);
        }
    }

    [TestMethod]
    public void Bit_budget_gives_layers_their_bits()
    {
        var output = Run("bit-budget");
        var bits = Regex.Matches(output, "(?m)^  (.+)$")
            .Select(line => Regex.Matches(line.Value, @" (\d)\b").Select(layer => layer.Groups[1].Value).ToArray())
            .ToList();
        Assert.HasCount(3, bits);
        CollectionAssert.AreEqual(new[] { "8", "4", "4", "4", "4", "4", "4", "8" }, bits[0]);
        // At most 3 bits on average, where the first and the last layer have 8, takes layers of fewer than 4.
        Assert.Contains(layer => layer is "2" or "3", bits[1]);
    }

    [TestMethod]
    public void A_pretrained_network_learns_the_classes_from_few_images()
    {
        var output = Run("pretrained");
        Assert.IsTrue(File.Exists(_folder.Combine("pretrained.onnx")));
        var accuracy = Regex.Match(output, @"^([\d.]+)\s?% of the test images right, of 4 classes", RegexOptions.Multiline);
        // 25 % are right by chance.
        Assert.IsGreaterThan(75.0, Number(accuracy.Groups[1].Value), output);
    }

    [TestMethod]
    public void Merge_cost_is_measured()
    {
        var output = Run("merge-cost");
        foreach (var pair in new[] { "Fog - Night", "FogHdrq - NightHdrq", "FogNearest - NightNearest" })
            Assert.MatchesRegex($@"(?m)^{pair}: barrier \d+\.\d+ at ", output);
        Assert.HasCount(15, Regex.Matches(output, @"^\d\.\d\d / \d\.\d\d: loss ", RegexOptions.Multiline));
        foreach (var network in new[] { "Fog", "FogHdrq", "FogNearest" })
            Assert.HasCount(1, Regex.Matches(output, $@"^\| {network} \| ", RegexOptions.Multiline));
    }

    [TestMethod]
    [DataRow("There is no lesson 'snow'; the lessons are ", "snow")]
    [DataRow("A lesson takes one folder, not 2.", "serving", "a", "b")]
    public void Wrong_arguments_are_refused(string sentence, params string[] arguments)
    {
        var (exitCode, output, error) = _program.Run(_folder.Path, arguments);
        Assert.AreEqual(2, exitCode);
        Assert.AreEqual("", output);
        StringAssert.StartsWith(error, sentence);
        Assert.HasCount(1, error.Trim().Split('\n'));
    }

    private static string Run(string lesson)
    {
        var (exitCode, output, error) = _program.Run(_folder.Path, lesson, _folder.Path);
        Assert.AreEqual(0, exitCode, output + error);
        return output;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
