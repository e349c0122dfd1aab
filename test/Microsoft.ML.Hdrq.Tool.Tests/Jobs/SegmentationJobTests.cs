using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Segmentation;
using Microsoft.ML.Hdrq.Tool.Terminal;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class SegmentationJobTests
{
    private const int Height = 32;

    private const int Width = 48;

    private static readonly string[] _domains = ["day", "dusk", "fog", "night"];

    private static readonly string[] _classes = ["sky", "road", "pavement", "building", "tree", "car", "pedestrian", "pole"];

    private static readonly JobOptions Options = new()
    {
        Data = "",
        Normalization = ChannelNormalization.ImageNet(),
        Methods = MethodChoice.Named("rtn", "hdrq"),
        Merges = ["all"],
        Quantization = new() { Training = new() { Iterations = 1, BatchSize = 2 }, Calibration = new() { BatchSize = 2 } },
        CalibrationImages = 2,
    };

    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare()
    {
        _folder = new TemporaryDirectory();
        TestImages.WriteMasks(_folder.Combine("data"), _domains, _classes, Width, Height);
    }

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void Every_stage_is_measured_by_class_kept_and_shown()
    {
        using (var network = DeepLab.Small(_classes.Length, seed: 1, inputHeight: Height, inputWidth: Width, channels: 2))
            network.SaveOnnx(_folder.Combine("network.onnx"));
        var options = Options with { Network = _folder.Combine("network.onnx"), Domains = ["dusk", "night"] };
        var (results, text) = Run(options);

        Assert.AreEqual("segmentation", results.Task);
        string[] methods = ["RTN W4A4", "HDRQ W4A4"];
        CollectionAssert.AreEqual(
            (string[])
            [
                "source FP32  ", "adapted FP32  dusk", "adapted FP32  night",
                .. methods.SelectMany(method => new[] { "dusk", "night" }.Select(domain => $"quantized {method} {domain}")),
                "merged FP32  ", .. methods.Select(method => $"merged {method} "),
            ],
            results.Rows.Select(row => $"{row.Stage} {row.Method} {ResultTable.Bits(row)} {row.Domain}").ToArray());
        foreach (var row in results.Rows)
        {
            CollectionAssert.AreEqual(_domains, row.Domains.Keys.ToArray());
            foreach (var (domain, score) in row.Domains)
                Assert.AreEqual(row.Classes![domain].Values.Average(), score, 1e-12, $"{row.Network} {domain}");
            Assert.IsTrue(File.Exists(_folder.Combine("out", $"{row.Network}.onnx")));
        }
        StringAssert.Contains(text, "Mean IoU by class, %, merged for dusk + night");
        using (var sheet = SKBitmap.Decode(_folder.Combine("out", "masks-w4a4.png")))
        {
            // Five columns of pictures four times as wide as the images, four rows of them.
            Assert.IsGreaterThan(5 * 192, sheet.Width);
            Assert.IsGreaterThan(4 * 128, sheet.Height);
        }

        // Of each of two domains two images, with their masks and the answers of three merged networks.
        var report = File.ReadAllText(_folder.Combine("out", "report.html"));
        Assert.HasCount(2 * 2 * (2 + 3), Regex.Matches(report, "data:image/png;base64,"));
        Assert.HasCount(2 * 2 * 3, Regex.Matches(report, "<p>(FP32|RTN|HDRQ): [0-9]+ % right</p>"));
        foreach (var name in _classes)
            StringAssert.Contains(report, $"</i>{name}</li>");

        var written = File.ReadAllText(_folder.Combine("out", "results.json"));
        var before = File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-dusk.onnx"));
        Run(options);
        Assert.AreEqual(written, File.ReadAllText(_folder.Combine("out", "results.json")));
        Assert.AreEqual(before, File.GetLastWriteTimeUtc(_folder.Combine("out", "hdrq-w4a4-dusk.onnx")));
    }

    /// <summary>
    /// Intersections and unions are counted here from the masks that ONNX Runtime gives when it runs the file by
    /// itself.
    /// </summary>
    [TestMethod]
    public void Scores_are_intersections_over_unions_of_what_the_file_gives()
    {
        using (var network = DeepLab.Small(_classes.Length, seed: 5, inputHeight: Height, inputWidth: Width, channels: 2))
            network.SaveOnnx(_folder.Combine("network.onnx"));
        var (results, _) = Run(Options with { Network = _folder.Combine("network.onnx"), LastStage = Stage.Source });

        var context = new MLContext();
        var folder = new FrameFolder(DomainLayout.Find(_folder.Combine("data")));
        var data = new FramePipeline(context, folder, Height, Width).Read("fog", DataSplit.Test, CancellationToken.None);
        using var session = new Microsoft.ML.OnnxRuntime.InferenceSession(_folder.Combine("out", "source.onnx"));
        var (both, either) = (new double[8], new double[8]);
        foreach (var (pixels, label) in data.GetColumn<VBuffer<float>>("Pixels").Zip(data.GetColumn<VBuffer<byte>>("Label")))
        {
            var input = new Microsoft.ML.OnnxRuntime.Tensors.DenseTensor<float>(
                pixels.DenseValues().ToArray(), [1, 3, Height, Width]);
            using var outputs = session.Run([Microsoft.ML.OnnxRuntime.NamedOnnxValue.CreateFromTensor("input", input)]);
            var scores = outputs[0].AsEnumerable<float>().ToArray();
            var truth = label.DenseValues().ToArray();
            for (var pixel = 0; pixel < truth.Length; pixel++)
            {
                var predicted = Enumerable.Range(0, 8).MaxBy(kind => scores[kind * truth.Length + pixel]);
                both[predicted] += predicted == truth[pixel] ? 1 : 0;
                either[predicted]++;
                either[truth[pixel]] += predicted == truth[pixel] ? 0 : 1;
            }
        }
        var classes = results.Rows.Single().Classes!["fog"];
        for (var kind = 0; kind < 8; kind++)
        {
            if (either[kind] > 0)
                Assert.AreEqual(both[kind] / either[kind], classes[_classes[kind]], 1e-3, _classes[kind]);
            else
                Assert.IsFalse(classes.ContainsKey(_classes[kind]));
        }
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("deeplab-18")]
    [DataRow("segformer-b0")]
    public void Without_a_network_one_is_trained(string? architecture)
    {
        var (results, _) = Run(Options with
        {
            LastStage = Stage.Source,
            Architecture = architecture,
            SourceEpochs = architecture is null ? null : 1
        });
        Assert.AreEqual("source", results.Rows.Single().Network);
        using var network = Network.LoadOnnx(_folder.Combine("out", "source.onnx"));
        CollectionAssert.AreEqual(new long[] { -1, 8, Height, Width }, network.Graph.Outputs[0].Shape.ToArray());
    }

    [TestMethod]
    public void A_run_is_explained()
    {
        using (var network = DeepLab.Small(_classes.Length, seed: 1, inputHeight: Height, inputWidth: Width, channels: 2))
            network.SaveOnnx(_folder.Combine("network.onnx"));
        Run(Options with
        {
            Network = _folder.Combine("network.onnx"),
            Domains = ["dusk", "night"],
            Methods = MethodChoice.Named("hdrq"),
            Explanation = new() { Images = 2, Steps = 2, Probes = 1, PowerIterations = 1 }
        });

        var report = File.ReadAllText(_folder.Combine("out", "report.html"));
        foreach (var section in new[] { "Between two networks", "Curvature and distance", "Sensitivity of layers",
            "Values and their ranges", "Test images" })
            StringAssert.Contains(report, $"<h2>{section}</h2>");
        Assert.IsLessThan(5_000_000, report.Length);
    }

    [TestMethod]
    public void A_network_for_other_classes_is_refused()
    {
        using (var network = DeepLab.Small(classes: 3, seed: 1, inputHeight: Height, inputWidth: Width, channels: 2))
            network.SaveOnnx(_folder.Combine("network.onnx"));
        var error = Assert.ThrowsExactly<InvalidDataException>(
            () => Run(Options with { Network = _folder.Combine("network.onnx") }));
        Assert.Contains("does not have scores of 8 classes for every pixel", error.Message);
    }

    private (ResultsDocument Results, string Text) Run(JobOptions options)
    {
        using var text = new StringWriter();
        var layout = DomainLayout.Find(_folder.Combine("data"));
        new JobRunner(layout, options with { Data = layout.Root, Output = _folder.Combine("out") },
            new PlainOutput(text, text)).Run(CancellationToken.None);
        return (ResultsFile.Read(_folder.Combine("out", "results.json")), text.ToString());
    }
}
