using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Adapting networks that classify pixels.</summary>
[TestClass]
public sealed class SegmentationTrainingTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(1, 8, 10)]
        public float[] Pixels { get; set; } = [];

        [VectorType(8, 10)]
        public byte[] Label { get; set; } = [];

        [VectorType(10, 8)]
        public byte[] Transposed { get; set; } = [];

        [KeyType(3)]
        public uint Key { get; set; }
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(6)]
    public void A_network_learns_the_classes_of_pixels(int? cropSize)
    {
        using var network = PixelNetwork();
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Score", "Source", new() { Epochs = 40, BatchSize = 8, LearningRate = 1, CropSize = cropSize })
            .Fit(source.Transform(data));
        // A bright pixel is of class 1, a dark one of class 0: a linear layer can tell.
        Assert.IsGreaterThan(0.97, Accuracy(adapted));
        Assert.IsLessThan(0.7, Accuracy(source));

        double Accuracy(NetworkTransformer transformer) =>
            transformer.Transform(data).GetColumn<VBuffer<byte>>("PredictedMask").Zip(Rows())
            .Average(pair => pair.First.DenseValues().Zip(pair.Second.Label).Where(pixel => pixel.Second != 255)
                .Average(pixel => pixel.First == pixel.Second ? 1.0 : 0.0));
    }

    [TestMethod]
    public void Ignored_pixels_have_no_part()
    {
        // The same network whatever the ignored value is, and whatever lies under it.
        CollectionAssert.AreEqual(Train(Rows(), 255), Train(Rows(ignored: 9), 9));
        CollectionAssert.AreNotEqual(Train(Rows(), 255), Train(Rows(ignored: 1), 255));
    }

    [TestMethod]
    public void The_loss_is_the_weighted_mean_of_the_cross_entropies_of_pixels()
    {
        // Scores of ln 1 and ln 3 everywhere: the classes have the probabilities 1/4 and 3/4.
        using var network = ConstantScores(0, MathF.Log(3));
        var row = new Row { Pixels = new float[80], Label = [0, 0, 0, 1, .. Enumerable.Repeat((byte)255, 76)] };
        Assert.AreEqual((3 * Math.Log(4) + Math.Log(4.0 / 3)) / 4, Loss(null), 1e-6);
        Assert.AreEqual((2 * 3 * Math.Log(4) + 0.5 * Math.Log(4.0 / 3)) / (2 * 3 + 0.5), Loss([2, 0.5f]), 1e-6);

        double Loss(float[]? weights)
        {
            var data = _ml.Data.LoadFromEnumerable([row]);
            var losses = new List<double>();
            using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
            using var adapted = _ml.Transforms.AdaptNetwork(
                "Score", "Source", new()
                {
                    Epochs = 1,
                    CropPadding = 0,
                    HorizontalFlip = false,
                    ClassWeights = weights,
                    Progress = new Report(progress => losses.Add(progress.Loss))
                })
                .Fit(source.Transform(data));
            return losses.Single();
        }
    }

    [TestMethod]
    public void A_batch_without_classes_changes_nothing()
    {
        using var network = PixelNetwork();
        // The one labelled pixel is rarely in a crop.
        var row = new Row { Pixels = new float[80], Label = [1, .. Enumerable.Repeat((byte)255, 79)] };
        var data = _ml.Data.LoadFromEnumerable([row]);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Score", "Source", new() { Epochs = 30, CropPadding = 0, CropSize = 2, LearningRate = 1e-3 })
            .Fit(source.Transform(data));
        Assert.IsTrue(adapted.Network.Parameters.Values.All(parameter => parameter.isfinite().all().item<bool>()));
    }

    [TestMethod]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var network = PixelNetwork();
        using var fixedSize = PixelNetwork(8, 10);
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var fixedSource = _ml.Transforms.ApplyNetwork("Source", "Pixels", fixedSize).Fit(data);
        AssertThrows<ArgumentOutOfRangeException>("Key", "Byte, 8, 10", source, rows: new() { LabelColumnName = "Key" });
        AssertThrows<ArgumentOutOfRangeException>(
            "Transposed", "Byte, 8, 10", source, rows: new() { LabelColumnName = "Transposed" });
        AssertThrows<ArgumentOutOfRangeException>("Label", "2 classes", source, rows: new() { IgnoredLabel = 7 });
        AssertThrows<ArgumentOutOfRangeException>("ClassWeights", "3 weights", source, new() { ClassWeights = [1, 2, 3] });
        AssertThrows<ArgumentOutOfRangeException>("CropSize", "any height and width", fixedSource, new() { CropSize = 4 });
        Assert.AreEqual("CropSize",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.AdaptNetwork("Score", "Source", new() { CropSize = 0 })).ParamName);
        // Crops that are cut while rows are read would not have their masks.
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", rows: new() { CropSize = 4 })).Message,
            "AdaptationOptions.CropSize");
        Assert.AreEqual("ClassWeights",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.AdaptNetwork("Score", "Source", new() { ClassWeights = [1, 0] })).ParamName);

        void AssertThrows<T>(string name, string part, NetworkTransformer from, AdaptationOptions? options = null,
            RowOptions? rows = null) where T : Exception
        {
            var message = Assert.ThrowsExactly<T>(
                () => _ml.Transforms.AdaptNetwork("Score", "Source", options, rows).Fit(from.Transform(data))).Message;
            Assert.Contains(name, message);
            Assert.Contains(part, message);
        }
    }

    [TestMethod]
    public void Crops_are_read_from_images()
    {
        var rows = Enumerable.Range(0, 30)
            .Select(i => new Row { Pixels = [.. Enumerable.Range(0, 80).Select(p => 1000f * i + p)] }).ToArray();
        var data = _ml.Data.LoadFromEnumerable(rows);
        using var scope = torch.NewDisposeScope();
        using var crops = DomainRows.Read(
            data, "Pixels", [1, 8, 10], null, null, null, new RowSample(25, 1, CropSize: 9), CancellationToken.None);
        // As wide as asked for, and as high as the image.
        CollectionAssert.AreEqual(new long[] { 25, 1, 8, 9 }, crops.Images.shape);
        var starts = new List<long>();
        for (var i = 0; i < 25; i++)
        {
            var values = crops.Images[i].data<float>().ToArray();
            var start = (long)values[0] % 1000;
            starts.Add(start);
            CollectionAssert.AreEqual(Enumerable.Range(0, 72).Select(p => values[0] + p / 9 * 10 + p % 9).ToArray(), values);
        }
        CollectionAssert.AreEquivalent(new long[] { 0, 1 }, starts.Distinct().ToArray());
        using var again = DomainRows.Read(
            data, "Pixels", [1, 8, 10], null, null, null, new RowSample(25, 1, CropSize: 9), CancellationToken.None);
        Assert.IsTrue(again.Images.equal(crops.Images).all().item<bool>());
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public void A_network_is_quantized_on_crops(int batchSize)
    {
        using var folder = new TemporaryDirectory();
        using var network = PixelNetwork();
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var inMemory = Quantize(long.MaxValue);
        using var inFiles = Quantize(0);
        Assert.AreEqual(inMemory.Network.ParametersSha256(), inFiles.Network.ParametersSha256());
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Byte, 8, 10),
            inFiles.Transform(data).Schema["PredictedMask"].Type);

        NetworkTransformer Quantize(long memory)
        {
            var options = new HdrqOptions
            {
                Training = new() { Iterations = 3, BatchSize = batchSize },
                Calibration = new() { BatchSize = batchSize, CacheMemory = memory, CacheDirectory = folder.Path },
            };
            return _ml.Transforms.QuantizeHdrq("Score", "Source", options, new() { CropSize = 5, Seed = 2 })
                .Fit(source.Transform(data));
        }
    }

    [TestMethod]
    [DataRow("CropSize")]
    [DataRow("Calibration.CacheMemory")]
    [DataRow("Calibration.CacheDirectory")]
    public void Quantizing_names_an_option_that_is_out_of_range(string option)
    {
        CalibrationOptions calibration = option switch
        {
            "Calibration.CacheMemory" => new() { CacheMemory = -1 },
            "Calibration.CacheDirectory" => new() { CacheDirectory = "/no/such/folder" },
            _ => new(),
        };
        RowOptions rows = option == "CropSize" ? new() { CropSize = 0 } : new();
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeHdrq("Score", "Source", new() { Calibration = calibration }, rows)).ParamName);
    }

    [TestMethod]
    public void Training_leaves_no_tensor_behind() => LiveTensors.AssertUnchanged(() => Train(Rows(), 255));

    private byte[] Train(Row[] rows, byte ignored)
    {
        using var network = PixelNetwork();
        var data = _ml.Data.LoadFromEnumerable(rows);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Score", "Source", new() { Epochs = 2, BatchSize = 4, LearningRate = 0.1, ClassWeights = [1, 3] },
            new() { IgnoredLabel = ignored, Seed = 1 }).Fit(source.Transform(data));
        return adapted.Network.Parameters["conv.weight"].bytes.ToArray();
    }

    private IDataView Data() => _ml.Data.LoadFromEnumerable(Rows());

    /// <summary>Random pixels; the bright ones have class 1, the dark ones class 0, those in between none.</summary>
    private static Row[] Rows(byte ignored = 255)
    {
        var random = new Random(1);
        return
        [
            .. Enumerable.Range(0, 16).Select(_ =>
            {
                var pixels = Enumerable.Range(0, 80).Select(_ => random.NextSingle()).ToArray();
                return new Row { Pixels = pixels,
                    Label = [.. pixels.Select(pixel => pixel > 0.55 ? (byte)1 : pixel < 0.45 ? (byte)0 : ignored)] };
            }),
        ];
    }

    /// <summary>[N, 1, H, W] to [N, 2, H, W], each pixel for itself.</summary>
    private static Network PixelNetwork(long height = -1, long width = -1)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 1, height, width);
        builder.Parameter("conv.weight", torch.tensor(new[] { 0.01f, -0.02f }).reshape(2, 1, 1, 1));
        builder.Parameter("conv.bias", torch.tensor(new[] { 0f, 0.1f }));
        builder.Node("Conv", "scores", ["input", "conv.weight", "conv.bias"], ("kernel_shape", new long[] { 1, 1 }));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2, height, width]));
    }

    private static Network ConstantScores(float first, float second)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 1, 8, 10);
        builder.Parameter("conv.weight", torch.zeros(2, 1, 1, 1));
        builder.Parameter("conv.bias", torch.tensor(new[] { first, second }));
        builder.Node("Conv", "scores", ["input", "conv.weight", "conv.bias"], ("kernel_shape", new long[] { 1, 1 }));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2, 8, 10]));
    }

    private sealed class Report(Action<FineTuningProgress> action) : IProgress<FineTuningProgress>
    {
        void IProgress<FineTuningProgress>.Report(FineTuningProgress value) => action(value);
    }
}
