using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Commands;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class ClassificationJobTests
{
    private static readonly string[] _domains = ["clear", "fog", "night", "rain"];

    private static readonly string[] _classes = [.. Enumerable.Range(0, 4).Select(index => $"class {index}")];

    private static readonly JobOptions Options = new()
    {
        Data = "",
        Normalization = ChannelNormalization.ImageNet(),
        Quantization = new() { Training = new() { Iterations = 2 } },
        CalibrationImages = 6,
    };

    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteClasses(_folder.Combine("data"), _domains, _classes);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), _classes.Length, width: 8);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void Every_stage_is_measured_and_kept()
    {
        var (results, text) = RunNetwork(Options);

        CollectionAssert.AreEqual(
            new[]
            {
                "source FP32  ", "adapted FP32 fog ", "adapted FP32 night ", "adapted FP32 rain ",
                "quantized RTN fog ", "quantized RTN night ", "quantized RTN rain ", "quantized HDRQ fog ",
                "quantized HDRQ night ", "quantized HDRQ rain ",
                "merged FP32  fog+night", "merged FP32  fog+rain", "merged FP32  night+rain", "merged FP32  fog+night+rain",
                "merged RTN  fog+night", "merged RTN  fog+rain", "merged RTN  night+rain", "merged RTN  fog+night+rain",
                "merged HDRQ  fog+night", "merged HDRQ  fog+rain", "merged HDRQ  night+rain", "merged HDRQ  fog+night+rain",
            },
            results.Rows.Select(row => $"{row.Stage} {row.Method} {row.Domain} {string.Join('+', row.Merged ?? [])}")
                .ToArray());
        foreach (var row in results.Rows)
        {
            CollectionAssert.AreEqual(_domains, row.Domains.Keys.ToArray());
            Assert.AreEqual(row.Method == "FP32" ? null : 4, row.WeightBits);
            Assert.AreEqual(row.Method == "HDRQ" ? 2 : null, row.Iterations);
            Assert.AreEqual(new FileInfo(_folder.Combine("out", $"{row.Network}.onnx")).Length, row.Bytes);
            var accuracies = (row.Merged ?? []).Select(domain => row.Domains[domain]).ToList();
            if (accuracies.Count == 0)
                Assert.IsNull(row.HarmonicMean);
            else
                Assert.AreEqual(accuracies.Contains(0) ? 0
                    : accuracies.Count / accuracies.Sum(accuracy => 1 / accuracy), row.HarmonicMean!.Value, 1e-12);
            StringAssert.Contains(text, (100 * row.Domains["night"]).ToString("0.00", CultureInfo.InvariantCulture));
            // 6 of 7 convolutions have 4 bits; the first one and the linear layer have 8.
            if (row.WeightBits is not null)
            {
                var info = CommandLine.Run("info", _folder.Combine("out", $"{row.Network}.onnx")).Out;
                StringAssert.Contains(info, string.Create(CultureInfo.InvariantCulture, $"{row.Bytes:N0} bytes"));
                StringAssert.Matches(info, new(@"\nbits +2 W8A8, 6 W4A4\n"));
                StringAssert.Matches(info, new(@"\ninteger kernels +8 of 8 layers in ONNX Runtime\n"));
            }
        }
        var (full, quantized) = (results.Rows.First(row => row.Method == "FP32" && row.Merged is not null),
            results.Rows.First(row => row.Method == "HDRQ" && row.Merged is not null));
        Assert.IsLessThan(full.Bytes!.Value / 2, quantized.Bytes!.Value);
        Assert.IsTrue(File.Exists(_folder.Combine("out", "merged.svg")));
        using var chart = SKBitmap.Decode(_folder.Combine("out", "merged.png"));
        Assert.AreEqual((1920, 1080), (chart.Width, chart.Height));
    }

    [TestMethod]
    public void Merged_networks_classify_image_files_without_this_library()
    {
        var (results, _) = RunNetwork(Options with { Domains = ["fog", "rain"] });

        foreach (var row in results.Rows.Where(row => row.Merged is not null))
        {
            var model = _folder.Combine("out", $"{row.Network}.zip");
            Assert.AreEqual(row.WeightBits is not null, File.Exists(model), model);
            // A process each: for the source's domain, and for one that the network was merged for.
            foreach (var (domain, accuracy) in row.WeightBits is null ? []
                : row.Domains.Where(score => score.Key is "clear" or "rain"))
            {
                var lines = LoadOnlyProgram.Run("accuracy", model, _folder.Combine("data", domain, "test"));
                var count = 2 * _classes.Length;
                Assert.AreEqual($"{Math.Round(accuracy * count)} of {count}", lines[0]);
                Assert.AreEqual("none of ours", lines[1]);
            }
        }
    }

    [TestMethod]
    public void A_run_that_was_stopped_goes_on_and_gives_the_same()
    {
        var options = Options with { Domains = ["fog", "rain"] };
        RunNetwork(options with { LastStage = Stage.Quantized });
        // As if it had been stopped while the last network was written.
        File.Delete(_folder.Combine("out", "hdrq-w4a4-rain.recipe"));
        var kept = File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-fog.onnx"));
        var halfway = File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-rain.onnx"));
        var (resumed, _) = RunNetwork(options);
        Assert.AreEqual(kept, File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-fog.onnx")));

        Assert.AreNotEqual(halfway, File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-rain.onnx")));

        var (whole, _) = RunNetwork(options, "whole");
        Assert.AreEqual(File.ReadAllText(_folder.Combine("whole", "results.json")),
            File.ReadAllText(_folder.Combine("out", "results.json")));
        foreach (var row in whole.Rows)
            CollectionAssert.AreEqual(File.ReadAllBytes(_folder.Combine("whole", $"{row.Network}.onnx")),
                File.ReadAllBytes(_folder.Combine("out", $"{row.Network}.onnx")), row.Network);
        Assert.HasCount(whole.Rows.Count, resumed.Rows);
    }

    [TestMethod]
    public void A_comparison_measures_every_cell_once_and_goes_on_from_what_is_there()
    {
        var options = Options with
        {
            Domains = ["fog", "rain"],
            Comparison = new()
            {
                Methods = MethodChoice.Named("rtn", "qdrop"),
                Bits = [(4, 4), (3, 3)],
                Seeds = [1],
                Mergings = [.. MergingChoice.All.Where(choice => choice.Name is "default" or "nearest")],
            },
        };
        var (results, text) = RunNetwork(options);
        CollectionAssert.AreEqual(
            new[]
            {
                "source", "adapted-fog", "adapted-rain",
                "rtn-w4a4-s1-fog", "rtn-w4a4-s1-rain", "qdrop-w4a4-s1-fog", "qdrop-w4a4-s1-rain", "rtn-w3a3-s1-fog",
                "rtn-w3a3-s1-rain", "qdrop-w3a3-s1-fog", "qdrop-w3a3-s1-rain",
                "fp32-merged-fog+rain",
                "rtn-w4a4-s1-merged-fog+rain", "rtn-w4a4-s1-merged-fog+rain-nearest", "qdrop-w4a4-s1-merged-fog+rain",
                "qdrop-w4a4-s1-merged-fog+rain-nearest",
                "rtn-w3a3-s1-merged-fog+rain", "rtn-w3a3-s1-merged-fog+rain-nearest", "qdrop-w3a3-s1-merged-fog+rain",
                "qdrop-w3a3-s1-merged-fog+rain-nearest",
            },
            results.Rows.Select(row => row.Network).ToArray());
        // Networks are measured where they are to serve.
        CollectionAssert.AreEqual(new[] { "rain" },
            results.Rows.Single(row => row.Network == "qdrop-w3a3-s1-rain").Domains.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { "fog", "rain" }, results.Rows[^1].Domains.Keys.ToArray());
        StringAssert.Contains(text, "W3A3: merged, harmonic mean of the merged domains");
        Assert.AreEqual(new ComparisonReport(results, VisionTask.Classification).ToMarkdown(),
            File.ReadAllText(_folder.Combine("out", "comparison.md")));
        foreach (var chart in new[] { "harmonic-mean", "domains-w4a4-fog+rain", "domains-w3a3-fog+rain" })
            Assert.IsTrue(File.Exists(_folder.Combine("out", $"{chart}.svg"))
                && File.Exists(_folder.Combine("out", $"{chart}.png")), chart);

        // More is asked for: what is there stays as it is, its scores too, even if they are no longer what would be
        // measured.
        var kept = Directory.GetFiles(_folder.Combine("out"), "*.onnx").ToDictionary(path => path, File.GetLastWriteTimeUtc);
        var scores = _folder.Combine("out", "rtn-w4a4-s1-fog.scores");
        File.WriteAllLines(scores, [File.ReadAllLines(scores)[0], "0.125\tfog"]);
        var (more, _) = RunNetwork(options with { Comparison = options.Comparison with { Seeds = [1, 2] } });
        Assert.HasCount(results.Rows.Count + 16, more.Rows);
        Assert.AreEqual(0.125, more.Rows.Single(row => row.Network == "rtn-w4a4-s1-fog").Domains["fog"]);
        foreach (var (path, time) in kept)
            Assert.AreEqual(time, File.GetLastWriteTimeUtc(path), path);
    }

    [TestMethod]
    public void A_run_is_explained_and_bits_are_shared_out()
    {
        var options = Options with
        {
            Domains = ["fog", "rain"],
            AverageBits = [3.5],
            Allocation = BitAllocationBasis.Images,
            Explanation = new() { Images = 8, Steps = 2, Probes = 2, PowerIterations = 2 }
        };
        var (results, _) = RunNetwork(options);

        var mixed = results.Rows.Where(row => row.AverageWeightBits == 3.5).ToList();
        CollectionAssert.AreEqual(new[] { "quantized", "quantized", "merged" }, mixed.Select(row => row.Stage).ToArray());
        Assert.IsTrue(mixed.TrueForAll(
            row => row.Method == "HDRQ, 3.5 bits on average, by images" && row.WeightBits is null
            && row.ActivationBits == 4));
        // 8 test images of each of three domains, one of them not served: pictures of the merged domains, six of each.
        var report = File.ReadAllText(_folder.Combine("out", "report.html"));
        Assert.HasCount(2 * 6, Regex.Matches(report, "data:image/png;base64,"));
        foreach (var section in new[] { "Merged networks", "All networks", "Between two networks",
            "Curvature and distance", "Sensitivity of layers", "Values and their ranges", "Test images" })
            StringAssert.Contains(report, $"<h2>{section}</h2>");
        Assert.IsLessThan(5_000_000, report.Length);
        var explanation = _folder.Combine("out", "hdrq-w4a4.explanation.json");
        StringAssert.Contains(File.ReadAllText(explanation), "\"barrier\"");

        foreach (var chart in new[] { "between-fog+rain", "trace", "distance" })
            Assert.IsTrue(File.Exists(_folder.Combine("out", $"{chart}.svg")), chart);

        // What was found out is kept.
        var time = File.GetLastWriteTimeUtc(explanation);
        RunNetwork(options);
        Assert.AreEqual(time, File.GetLastWriteTimeUtc(explanation));
        Assert.AreEqual(report, File.ReadAllText(_folder.Combine("out", "report.html")));
    }

    [TestMethod]
    public void Other_settings_make_networks_anew()
    {
        RunNetwork(Options with { LastStage = Stage.Quantized, Domains = ["fog"] });
        var before = File.ReadAllBytes(_folder.Combine("out", "hdrq-w4a4-fog.onnx"));
        RunNetwork(Options with { LastStage = Stage.Quantized, Domains = ["fog"], Seed = 2 });
        CollectionAssert.AreNotEqual(before, File.ReadAllBytes(_folder.Combine("out", "hdrq-w4a4-fog.onnx")));
    }

    [TestMethod]
    public void Stages_domains_and_merges_are_chosen()
    {
        Assert.HasCount(1, RunNetwork(Options with { LastStage = Stage.Source }).Results.Rows);
        Assert.HasCount(3, RunNetwork(Options with { LastStage = Stage.Adapted, Domains = ["rain", "fog"] }).Results.Rows);
        var merged = RunNetwork(Options with
        {
            Domains = ["rain", "fog", "night"],
            Merges = ["night+rain"]
        }).Results.Rows.Where(row => row.Stage == "merged").ToList();
        Assert.HasCount(3, merged);
        CollectionAssert.AreEqual(new[] { "night", "rain" }, merged[0].Merged!.ToArray());
    }

    [TestMethod]
    [DataRow(null, "layer3.1.conv2.weight")]
    [DataRow("resnet-18", "layer4.1.conv2.weight")]
    [DataRow("mobilenet-v2", "features.18.0.weight")]
    public void A_source_network_is_trained_on_the_source_domain(string? architecture, string parameter)
    {
        var options = Options with
        {
            Output = _folder.Combine("out"),
            Architecture = architecture,
            SourceEpochs = 1,
            AdaptationEpochs = 1,
            AdaptationLearningRate = 1e-4
        };
        if (architecture is not null)
        {
            TestImages.WriteClasses(_folder.Combine("data"), _domains, _classes, size: 32);
            Run(options with { LastStage = Stage.Source }, source: "night");
            Assert.AreEqual("source", ResultsFile.Read(_folder.Combine("out", "results.json")).Rows.Single().Network);
            AssertHas(parameter);
            return;
        }
        options = options with { LastStage = Stage.Adapted };
        Run(options, source: "night");

        var rows = ResultsFile.Read(_folder.Combine("out", "results.json")).Rows;
        CollectionAssert.AreEqual(new[] { "source", "adapted-clear", "adapted-fog", "adapted-rain" },
            rows.Select(row => row.Network).ToArray());
        AssertHas(parameter);

        // How it is trained decides about a network; how the others are adapted, about these alone.
        var (source, adapted) = (File.ReadAllText(_folder.Combine("out", "source.recipe")),
            File.ReadAllText(_folder.Combine("out", "adapted-fog.recipe")));
        Run(options with { AdaptationLearningRate = 1e-3, Domains = ["fog"] }, source: "night");
        Assert.AreEqual(source, File.ReadAllText(_folder.Combine("out", "source.recipe")));
        Assert.AreNotEqual(adapted, File.ReadAllText(_folder.Combine("out", "adapted-fog.recipe")));
        Run(options with { SourceEpochs = 2, LastStage = Stage.Source }, source: "night");
        Assert.AreNotEqual(source, File.ReadAllText(_folder.Combine("out", "source.recipe")));

        void AssertHas(string name)
        {
            using var network = Network.LoadOnnx(_folder.Combine("out", "source.onnx"));
            Assert.IsTrue(network.Parameters.ContainsKey(name));
        }
    }

    [TestMethod]
    public void Bits_and_methods_are_chosen()
    {
        var rows = RunNetwork(Options with
        {
            LastStage = Stage.Quantized,
            Domains = ["fog"],
            Bits = [(8, 4), (3, 5)],
            Methods = MethodChoice.Named("brecq", "rtn")
        }).Results.Rows.Where(row => row.Stage == "quantized");
        CollectionAssert.AreEqual(new[] { "brecq-w8a4-fog 2", "rtn-w8a4-fog ", "brecq-w3a5-fog 2", "rtn-w3a5-fog " },
            rows.Select(row => $"{row.Network} {row.Iterations}").ToArray());
    }

    [TestMethod]
    [DataRow(new[] { "snow" }, new[] { "all" }, "--domains: there is no domain 'snow'; there are clear, fog, night, rain.")]
    [DataRow(new[] { "fog", "fog" }, new[] { "all" }, "--domains: a domain is named twice in fog, fog.")]
    [DataRow(new[] { "fog", "rain" }, new[] { "fog+night" },
        "--merge: there is no domain 'night' to merge; there are fog, rain.")]
    [DataRow(new[] { "fog", "rain" }, new[] { "fog" },
        "--merge fog: it takes at least two domains, joined by +, or the words pairs or all.")]
    public void What_cannot_be_chosen_is_refused(string[] domains, string[] merges, string message)
    {
        var exception = Assert.ThrowsExactly<UsageException>(
            () => RunNetwork(Options with { Domains = domains, Merges = merges }));
        Assert.AreEqual(message, exception.Message);
    }

    [TestMethod]
    [DataRow("4", "--bits 4: it takes the bits of weights and activations, 2 to 8 each, such as 4,4.")]
    [DataRow("4,x", "--bits 4,x: it takes the bits of weights and activations, 2 to 8 each, such as 4,4.")]
    public void Bits_that_are_no_pair_are_refused(string bits, string message) =>
        Assert.AreEqual(message, HdrqCommand.Create(_ => { })
            .Parse(["run", "--data", _folder.Path, "--bits", bits]).Errors.Single().Message);

    private (ResultsDocument Results, string Text) RunNetwork(JobOptions options, string output = "out")
    {
        var text = Run(options with { Network = _folder.Combine("network.onnx"), Output = _folder.Combine(output) });
        return (ResultsFile.Read(_folder.Combine(output, "results.json")), text);
    }

    private string Run(JobOptions options, string? source = null)
    {
        using var text = new StringWriter();
        var layout = DomainLayout.Find(_folder.Combine("data"), source);
        new JobRunner(layout, options with { Data = layout.Root }, new PlainOutput(text, text)).Run(CancellationToken.None);
        return text.ToString();
    }
}
