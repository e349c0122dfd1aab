using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Hdrq.Tests.Build;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.Accuracy;

/// <summary>
/// The accuracies that docs/results/cifar10-domains.md says, measured anew: a run of minutes on two cores. Done
/// only where the environment variable HDRQ_ACCURACY is 1 and the images and networks are at hand.
/// </summary>
/// <remarks>
/// The scores of references.csv are those of the page, in percent: of one network in full precision, or means of three
/// seeds. Tolerances are what rounding hides, or three standard deviations of a seed and at least half a point more
/// than the standard error of a test set of 3,000 images.
/// </remarks>
[TestClass]
public sealed class AccuracyTests
{
    [TestMethod]
    public void Cifar10_in_four_domains_has_the_accuracies_of_the_results()
    {
        if (Environment.GetEnvironmentVariable("HDRQ_ACCURACY") != "1")
            Assert.Inconclusive("It takes minutes; HDRQ_ACCURACY=1 asks for it.");
        var (images, models) = (SharedData.Require("data/cifar10-domains"), SharedData.Require("data/models"));
        var output = Directory.CreateTempSubdirectory("hdrq-accuracy-").FullName;
        try
        {
            using var cancellation = new Cancellation();
            var exitCode = Application.Run(
                [
                    "run", "--data", images, "--network", Path.Combine(models, "cifar10-resnet20.onnx"),
                    "--adapted", Path.Combine(models, "cifar10-resnet20-{domain}.onnx"), "--normalization", "imagenet",
                    "--methods", "rtn", "hdrq", "--bits", "4,4", "--output", output,
                ],
                new Streams(TextWriter.Null, Console.Error, null), cancellation);
            Assert.AreEqual(ExitCode.Done, exitCode);
            using var results = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "results.json")));
            var rows = results.RootElement.GetProperty("rows").EnumerateArray().ToList();
            var differences = Reference.All().Select(reference => reference.Difference(rows)).OfType<string>();
            Assert.AreEqual("", string.Join('\n', differences));
        }
        finally
        {
            Directory.Delete(output, recursive: true);
        }
    }

    /// <summary>A line of references.csv.</summary>
    private sealed record Reference(
        string Stage, string Method, int? WeightBits, int? ActivationBits, string[] Domains, double Expected,
        double Tolerance)
    {
        public static List<Reference> All()
        {
            var lines = File.ReadAllLines(Path.Combine(
                Repository.Root, "test", "Microsoft.ML.Hdrq.Tool.Tests", "Accuracy", "references.csv"));
            var references = lines.Skip(1).Select(line => line.Split(',')).Select(cells => new Reference(
                cells[0], cells[1], Bits(cells[2]), Bits(cells[3]), cells[4].Split('+'), Score(cells[5]),
                Score(cells[6]))).ToList();
            Assert.IsNotEmpty(references);
            return references;
        }

        /// <summary>What is wrong; null where nothing is.</summary>
        public string? Difference(IReadOnlyList<JsonElement> rows)
        {
            var found = rows.Where(IsIt).ToList();
            if (found.Count != 1)
                return $"{this}: there are {found.Count} such rows.";
            var measured = Stage == "merged"
                ? found[0].GetProperty("harmonicMean")
                : found[0].GetProperty("domains").GetProperty(Domains[0]);
            var score = 100 * measured.GetDouble();
            return Math.Abs(score - Expected) <= Tolerance
                ? null
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Stage} {Method} {string.Join('+', Domains)}: {score:0.00}, not {Expected} within {Tolerance}.");
        }

        private bool IsIt(JsonElement row) => Text(row, "stage") == Stage && Text(row, "method") == Method
            && Number(row, "weightBits") == WeightBits && Number(row, "activationBits") == ActivationBits
            && Stage switch
            {
                "source" => true,
                "merged" => row.GetProperty("merged").EnumerateArray().Select(domain => domain.GetString())
                    .Order(StringComparer.Ordinal).SequenceEqual(Domains),
                _ => Text(row, "domain") == Domains[0],
            };

        private static double Score(string cell) => double.Parse(cell, CultureInfo.InvariantCulture);

        private static int? Bits(string cell) =>
            cell.Length == 0 ? null : int.Parse(cell, CultureInfo.InvariantCulture);

        private static string? Text(JsonElement row, string name) =>
            row.TryGetProperty(name, out var value) ? value.GetString() : null;

        private static int? Number(JsonElement row, string name) =>
            row.TryGetProperty(name, out var value) ? value.GetInt32() : null;
    }
}
