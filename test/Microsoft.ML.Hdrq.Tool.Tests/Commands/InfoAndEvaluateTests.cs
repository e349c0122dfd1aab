using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>What a file is, and how good its network, of every kind of file that the command writes.</summary>
[TestClass]
public sealed class InfoAndEvaluateTests
{
    private const int Size = 16;

    private static readonly string[] _domains = ["clear", "fog", "night"];
    private static readonly string[] _classes = ["bar", "dot", "ring"];

    private static TemporaryDirectory _folder = null!;

    [ClassInitialize]
    public static void Prepare(TestContext context)
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(F("data"), _domains, _classes, Size, train: 4, test: 7);
        TestNetworks.WriteClassifier(F("network.onnx"));
        CommandLine.Run("run", "--data", F("data"), "--network", F("network.onnx"), "--adaptation-epochs", "1",
            "--methods", "hdrq", "--iterations", "1", "--merge", "all", "--min-images", "12", "--output", F("out")).Done();
    }

    private const string AllKernels = "8 of 8 layers in ONNX Runtime";

    [ClassCleanup]
    public static void CleanUp() => _folder.Dispose();

    [TestMethod]
    [DataRow("network.onnx", "full precision", null, true, false)]
    [DataRow("out/adapted-fog.onnx", "full precision", null, true, true)]
    [DataRow("out/hdrq-w4a4-fog.onnx", "2 W8A8, 6 W4A4", AllKernels, false, true)]
    [DataRow("out/hdrq-w4a4-merged-fog+night.onnx", "2 W8A8, 6 W4A4", AllKernels, false, null)]
    [DataRow("out/hdrq-w4a4-merged-fog+night.zip", "2 W8A8, 6 W4A4", AllKernels, false, null)]
    public void A_file_is_described(string file, string bits, string? kernels, bool hasNormalizations, bool? hasGrams)
    {
        var path = F(file.Split('/'));
        var text = CommandLine.Run("info", path).Done().Out;
        StringAssert.Matches(text, new($@"(?m)^bits +{bits}$"));
        StringAssert.Matches(text, new(@"(?m)^task +classification, 3 classes$"));
        StringAssert.Contains(text,
            string.Create(CultureInfo.InvariantCulture, $"{new FileInfo(path).Length:N0} bytes"));
        Assert.AreEqual(kernels is not null, text.Contains("integer kernels", StringComparison.Ordinal));
        if (kernels is not null)
            StringAssert.Matches(text, new($@"(?m)^integer kernels +{kernels}$"));

        var events = CommandLine.Run("info", path, "--json")
            .Done().Lines.Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        var info = events.Single(line => (string?)line["event"] == "info");
        Assert.AreEqual(new FileInfo(path).Length, (long)info["bytes"]!);
        Assert.AreEqual(hasNormalizations, (int)info["batchNormalizations"]! > 0);
        if (hasGrams is { } expected)
            Assert.AreEqual(expected, (int)info["moments"]!["layers"]! > 0);
        // A ResNet of depth 8: a convolution, three blocks of two, and the linear layer; shortcuts have none.
        Assert.HasCount(8, info["layers"]!.AsArray());
        Assert.AreEqual(kernels is not null, info["layers"]!.AsArray()
            .All(layer => (int?)layer!["weightBits"] is not null));
    }

    /// <summary>Opened twice, a pipe would wait for a second writer for ever.</summary>
    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows, IgnoreMessage = "There are no pipes in the file system there.")]
    [DataRow("pipe")]
    [DataRow("link")]
    [DataRow("/dev/zero")]
    [DataRow("/dev/null")]
    public void A_pipe_or_a_device_is_refused(string name)
    {
        var path = name.StartsWith('/') ? name : F(name);
        if (name != path)
        {
            var pipe = F($"the end of {name}");
            using (var process = System.Diagnostics.Process.Start("mkfifo", [name == "link" ? pipe : path]))
                process.WaitForExit();
            if (name == "link")
                File.CreateSymbolicLink(path, pipe);
        }
        foreach (var arguments in new string[][]
        {
            ["info", path], ["evaluate", path, "--data", F("data")],
            ["merge", F("network.onnx"), path, "--output", F("none.onnx")],
        })
        {
            var outcome = CommandLine.Run(arguments);
            Assert.AreEqual(2, outcome.ExitCode, outcome.Error);
            StringAssert.Contains(outcome.Error, "that is a pipe or a device, not a file");
        }
    }

    [TestMethod]
    public void More_threads_than_cores_are_warned_of()
    {
        string[] Evaluate(int threads) =>
            ["evaluate", F("network.onnx"), "--data", F("data"), "--threads", $"{threads}"];
        Assert.AreEqual("", CommandLine.Run(Evaluate(Environment.ProcessorCount)).Done().Error);
        var warned = CommandLine.Run(Evaluate(Environment.ProcessorCount + 1)).Done().Error;
        StringAssert.Contains(warned, $"more threads than cores ({Environment.ProcessorCount})");
    }

    /// <summary>Rightly classified images are counted here: ONNX Runtime alone on pixels that Skia decodes.</summary>
    [TestMethod]
    public void Accuracies_are_those_that_are_counted_by_hand()
    {
        string[] files =
            [F("network.onnx"), F("out", "adapted-night.onnx"), F("out", "hdrq-w4a4-merged-fog+night.onnx")];
        var outcome = CommandLine.Run(["evaluate", .. files, "--data", F("data"), "--json"]).Done();
        var evaluated = outcome.Lines.Select(line => JsonNode.Parse(line)!)
            .Where(line => (string?)line["event"] == "evaluated").ToList();
        CollectionAssert.AreEqual(files, evaluated.Select(line => (string)line["network"]!).ToArray());
        var table = CommandLine.Run(["evaluate", .. files, "--data", F("data")]).Done().Lines;
        foreach (var line in evaluated)
        {
            var file = (string)line["network"]!;
            var shares = _domains.Select(domain => Count(file, domain) / 21.0).ToArray();
            foreach (var (domain, share) in _domains.Zip(shares))
                Assert.AreEqual(share, (double)line["domains"]![domain]!, 1e-12, $"{file} {domain}");
            var mean = shares.Contains(0) ? 0 : 3 / shares.Sum(share => 1 / share);
            Assert.AreEqual(mean, (double)line["harmonicMean"]!, 1e-12);
            var row = table.Single(text => text.StartsWith(file, StringComparison.Ordinal));
            CollectionAssert.AreEqual(
                shares.Append(mean).Select(share => (100 * share).ToString("0.00", CultureInfo.InvariantCulture))
                    .ToArray(),
                row[file.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    [TestMethod]
    public void Domains_and_the_split_are_chosen()
    {
        var outcome =
            CommandLine.Run("evaluate", F("network.onnx"), "--data", F("data"), "--domains", "night", "clear",
            "--split", "train", "--json").Done();
        var line = outcome.Lines.Select(text => JsonNode.Parse(text)!)
            .Single(node => (string?)node["event"] == "evaluated");
        CollectionAssert.AreEqual(new[] { "night", "clear" }, line["domains"]!.AsObject().Select(pair => pair.Key)
            .ToArray());
        Assert.AreEqual(Count(F("network.onnx"), "night", "train") / 12.0, (double)line["domains"]!["night"]!, 1e-12);
    }

    private static int Count(string network, string domain, string split = "test")
    {
        using var session = new InferenceSession(network);
        var right = 0;
        foreach (var file in Directory.GetFiles(F("data", domain, split), "*.png", SearchOption.AllDirectories))
        {
            using var image = SKBitmap.Decode(file);
            var input = new DenseTensor<float>([1, 3, Size, Size]);
            for (var pixel = 0; pixel < Size * Size; pixel++)
            {
                var colour = image.GetPixel(pixel % Size, pixel / Size);
                (input[0, 0, pixel / Size, pixel % Size], input[0, 1, pixel / Size, pixel % Size],
                    input[0, 2, pixel / Size, pixel % Size]) = (colour.Red, colour.Green, colour.Blue);
            }
            using var outputs = session.Run([NamedOnnxValue.CreateFromTensor(session.InputNames[0], input)]);
            var scores = outputs[0].AsEnumerable<float>().ToArray();
            right += _classes[Array.IndexOf(scores, scores.Max())] == Path.GetFileName(Path.GetDirectoryName(file)) ? 1
                : 0;
        }
        return right;
    }

    private static string F(params string[] parts) => _folder.Combine(parts);
}
