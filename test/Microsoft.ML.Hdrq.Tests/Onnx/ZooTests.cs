using System.Globalization;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Public files from end to end: read, scored, quantized, merged, written as ONNX and as a model of ML.NET, and scored
/// again. They are not part of the repository. <c>HDRQ_ZOO_WHOLE=1</c> takes 20 steps on 16 images instead of 2 on 3,
/// and ML.NET's ResNet-18 too.
/// </summary>
[TestClass]
public sealed class ZooTests
{
    private const string Folder = "data/onnx-zoo";

    /// <summary>The rows that are scored together, whatever batch size a file was exported for.</summary>
    private const int Rows = 3;

    private static readonly bool _isWhole = Environment.GetEnvironmentVariable("HDRQ_ZOO_WHOLE") == "1";
    private static readonly int _images = _isWhole ? 16 : 3;
    private static readonly int _steps = _isWhole ? 20 : 2;

    private const string ResNet18Name = "ResNet18.onnx";

    private static readonly string ResNet18 = Path.Combine(
        Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages"),
        "microsoft.ml.dnnimagefeaturizer.resnet18", "0.23.1");

    public TestContext TestContext { get; set; } = null!;

    private static IEnumerable<TestDataRow<string>> Files
    {
        get
        {
            var files = SharedData.TryFind(Folder, out var folder)
                ? Directory.GetFiles(folder, "*.onnx").Select(Path.GetFileName).OfType<string>()
                    .Where(file => !file.StartsWith("hostile", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
                    .ToList()
                : [""];
            if (_isWhole && Directory.Exists(ResNet18))
                files.Add(ResNet18Name);
            return files.Select(file => new TestDataRow<string>(file) { DisplayName = file });
        }
    }

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void AFileGoesTheWholeWay(string file)
    {
        var model = File.ReadAllBytes(file == ResNet18Name
            ? Directory.GetFiles(ResNet18, ResNet18Name, SearchOption.AllDirectories)[0]
            : SharedData.Require($"{Folder}/{file}"));
        using var scope = torch.NewDisposeScope();
        using var network = OnnxModels.Load(model);
        var shape = RowShape(network);
        var pixels = Pixels(1, Rows, shape);
        var images = Pixels(2, _images, shape);
        var scores = network.Forward(pixels);
        Assert.IsGreaterThan(0, scores.abs().max().item<float>(), "All scores are zero: the comparisons would say nothing.");

        var file16 = ModelProto.Parser.ParseFrom(model).Graph.Initializer.Any(
            tensor => tensor.DataType == (int)ElementType.Float16);
        var parity = Distance(Reference(model, pixels), scores);
        Assert.IsLessThanOrEqualTo(file16 ? 0.02 : 1e-4, parity, "scores");

        using var nearest = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = 8, ActivationBits = 8 });
        var rounded = Distance(scores, nearest.Forward(pixels));
        // Weights of 8 bits have the reduced range, whose steps are twice as large.
        Assert.IsLessThanOrEqualTo(0.4, rounded, "W8A8");

        var options = new HdrqOptions
        {
            WeightBits = 4,
            ActivationBits = 4,
            Source = network,
            Training = new HdrqTraining { Iterations = _steps, BatchSize = 4 },
            Moments = new() { MinImages = 2 }
        };
        using var quantized = NetworkQuantizer.Quantize(network, images, options, seed: 1);
        var trained = Distance(scores, quantized.Forward(pixels));
        Assert.IsTrue(double.IsFinite(trained), "HDRQ");

        using var other = Perturbed(network);
        using var quantizedOther = NetworkQuantizer.Quantize(other, images, options, seed: 2);
        using var merged = NetworkMerger.Merge(
            [quantized, quantizedOther], new MergeOptions { AllowDifferentSources = true });
        var mergedScores = merged.Forward(pixels);
        Assert.IsTrue(double.IsFinite(Distance(scores, mergedScores)), "merged");

        var written = OnnxModels.Save(merged);
        using var again = OnnxModels.Load(written);
        Assert.IsNull(merged.Graph.FirstDifference(again.Graph), "The graph read again differs.");
        Assert.IsLessThanOrEqualTo(1e-3, Distance(mergedScores, again.Forward(pixels)), "read again");
        var served = Distance(Reference(written, pixels), mergedScores);
        Assert.IsLessThanOrEqualTo(0.1, served, "written");

        var saved = Distance(mergedScores, SavedByMLNet(merged, pixels, mergedScores.shape));
        Assert.IsLessThanOrEqualTo(0.1, saved, "saved by ML.NET");

        var report = OnnxReport.Of(merged);
        TestContext.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {file} | {string.Join(" x ", network.Graph.Inputs[0].Shape.ToArray())} | {parity:0.0e0} | {rounded:0.000} | "
                + $"{trained:0.000} | {served:0.0e0} | {report.Layers.Count(layer => layer.IsInteger)} of {report.Layers.Length} |"));
        TestContext.WriteLine(report.ToString());
        Assert.IsEmpty(report.Layers.Where(layer => layer.WeightBits is null), "A layer is not quantized.");
        Assert.IsEmpty(report.Layers.Where(layer => !layer.IsInteger && string.IsNullOrEmpty(layer.Reason)),
            "A layer stays in floating point without a reason.");
    }

    /// <summary>The scores of the rows by a model that ML.NET has saved and loaded.</summary>
    private static torch.Tensor SavedByMLNet(Network network, torch.Tensor pixels, long[] shape)
    {
        var ml = new MLContext(seed: 1);
        var rows = Enumerable.Range(0, Rows)
            .Select(i => new ImageRow { Pixels = pixels[i].contiguous().data<float>().ToArray() });
        var view = Images.View(ml, rows, [.. pixels.shape.Skip(1).Select(size => (int)size)]);
        using var applied = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new ScoringOptions { Output = network.Graph.Outputs[0].Name }).Fit(view);
        using var stream = new MemoryStream();
        ml.Model.Save(applied, view.Schema, stream);
        stream.Position = 0;
        var model = ml.Model.Load(stream, out _);
        using var scope = model as IDisposable;
        return torch.tensor(Images.Scores(model.Transform(view)).SelectMany(score => score).ToArray()).reshape(shape);
    }

    private static long[] RowShape(Network network) =>
        [.. network.Graph.Inputs[0].Shape[1..].ToArray().Select(size => size > 0 ? size : 64)];

    private static torch.Tensor Pixels(int seed, long count, long[] shape) =>
        torch.rand([count, .. shape], generator: new torch.Generator((ulong)seed));

    /// <summary>A copy whose weights are a little different, as after adaptation.</summary>
    private static Network Perturbed(Network network)
    {
        var copy = network.Clone();
        using var noGradients = torch.no_grad();
        var generator = new torch.Generator(3);
        foreach (var parameter in copy.Graph.Parameters.Where(
            parameter => parameter.Role == ParameterRole.Weight && parameter.ElementType == ElementType.Float32))
        {
            var tensor = copy.Parameters[parameter.Name];
            tensor.mul_(torch.randn(tensor.shape, generator: generator).mul(0.02).add(1));
        }
        return copy;
    }

    /// <summary>What ONNX Runtime makes of the file, in as many runs as the file's batch size needs.</summary>
    private static torch.Tensor Reference(byte[] model, torch.Tensor rows)
    {
        var graph = ModelProto.Parser.ParseFrom(model).Graph;
        var input = graph.Input.Single(value => graph.Initializer.All(tensor => tensor.Name != value.Name));
        var type = (ElementType)input.Type.TensorType.ElemType;
        var batch = input.Type.TensorType.Shape.Dim[0].DimValue is > 0 and var size ? size : rows.shape[0];
        var parts = new List<torch.Tensor>();
        for (long start = 0; start < rows.shape[0]; start += batch)
        {
            var part = TensorData.FromTorch(rows.narrow(0, start, batch).to(type.ToTorch()).contiguous());
            parts.Add(OnnxRuntimeReference.Run(model, [(input.Name, part)])[0].ToTorch().to(torch.ScalarType.Float32));
        }
        return torch.cat(parts);
    }

    /// <summary>The distance of two scores relative to the size of the first.</summary>
    private static double Distance(torch.Tensor expected, torch.Tensor actual)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        return (expected.sub(actual).norm() / expected.norm()).item<float>();
    }
}
