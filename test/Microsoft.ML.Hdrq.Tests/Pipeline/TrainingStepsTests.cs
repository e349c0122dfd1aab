using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>The steps that make networks of networks: what they refuse, and that they repeat themselves.</summary>
[TestClass]
public sealed class TrainingStepsTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        public string Domain { get; set; } = "";

        public int Number { get; set; }

        [KeyType(3)]
        public uint Label { get; set; }
    }

    [TestMethod]
    [DataRow("Epochs")]
    [DataRow("BatchSize")]
    [DataRow("LearningRate")]
    [DataRow("Momentum")]
    [DataRow("WeightDecay")]
    [DataRow("CropPadding")]
    [DataRow("GpuDeviceId")]
    [DataRow("Optimizer")]
    [DataRow("LabelColumnName")]
    [DataRow("Domain")]
    [DataRow("DomainColumnName")]
    [DataRow("MaxRows")]
    public void Adapting_names_an_option_that_is_out_of_range(string option)
    {
        AdaptationOptions options = option switch
        {
            "Epochs" => new() { Epochs = 0 },
            "BatchSize" => new() { BatchSize = 0 },
            "LearningRate" => new() { LearningRate = double.NaN },
            "Momentum" => new() { Momentum = 1 },
            "WeightDecay" => new() { WeightDecay = -1 },
            "CropPadding" => new() { CropPadding = -1 },
            "Optimizer" => new() { Optimizer = (FineTuningOptimizer)7 },
            _ => new(),
        };
        RowOptions rows = option switch
        {
            "GpuDeviceId" => new() { GpuDeviceId = -1 },
            "LabelColumnName" => new() { LabelColumnName = "" },
            "Domain" => new() { DomainColumnName = "Domain" },
            "DomainColumnName" => new() { Domain = "fog" },
            "MaxRows" => new() { MaxRows = 0 },
            _ => new(),
        };
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", options, rows)).ParamName);
    }

    [TestMethod]
    [DataRow("WeightBits")]
    [DataRow("ActivationBits")]
    [DataRow("Training.Iterations")]
    [DataRow("Training.BatchSize")]
    [DataRow("Training.WeightLearningRate")]
    [DataRow("Training.ActivationScaleLearningRate")]
    [DataRow("Training.DistanceWeight")]
    [DataRow("Training.DriftWeight")]
    [DataRow("Training.WarmUp")]
    [DataRow("Training.DropProbability")]
    [DataRow("Training")]
    [DataRow("Placement")]
    [DataRow("Overrides")]
    [DataRow("Overrides[1]")]
    [DataRow("Calibration.Observer")]
    [DataRow("Calibration.BatchSize")]
    [DataRow("Calibration")]
    public void Quantizing_names_an_option_that_is_out_of_range(string option)
    {
        HdrqOptions options = option switch
        {
            "WeightBits" => new() { WeightBits = 1 },
            "ActivationBits" => new() { ActivationBits = 9 },
            "Training.Iterations" => new() { Training = new() { Iterations = -1 } },
            "Training.BatchSize" => new() { Training = new() { BatchSize = 0 } },
            "Training.WeightLearningRate" => new() { Training = new() { WeightLearningRate = 0 } },
            "Training.ActivationScaleLearningRate" =>
                new() { Training = new() { ActivationScaleLearningRate = double.PositiveInfinity } },
            "Training.DistanceWeight" => new() { Training = new() { DistanceWeight = -0.1 } },
            "Training.DriftWeight" => new() { Training = new() { DriftWeight = -0.1 } },
            "Training.WarmUp" => new() { Training = new() { WarmUp = 0.6 } },
            "Training.DropProbability" => new() { Training = new() { DropProbability = 1 } },
            "Training" => new() { Training = null! },
            "Placement" => new() { Placement = (QuantizerPlacement)9 },
            "Overrides" => new() { Overrides = null! },
            "Overrides[1]" => new() { Overrides = [new("conv") { WeightBits = 8 }, null!] },
            "Calibration.Observer" => new() { Calibration = new() { Observer = (RangeObserverKind)9 } },
            "Calibration.BatchSize" => new() { Calibration = new() { BatchSize = 0 } },
            _ => new() { Calibration = null! },
        };
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeHdrq("Score", "Source", options)).ParamName);
    }

    [TestMethod]
    public void The_training_of_every_method_is_checked()
    {
        QuantizationOptions[] wrong =
        [
            new AdaRoundOptions { Training = new() { Iterations = -1 } },
            new BrecqOptions { Training = new() { Iterations = -1 } },
            new QDropOptions { Training = new() { Iterations = -1 } },
        ];
        foreach (var options in wrong)
            Assert.AreEqual("Training.Iterations",
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                    () => _ml.Transforms.QuantizeNetwork("Score", "Source", options)).ParamName);
        Assert.AreEqual("Training.DropProbability", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeNetwork(
                "Score", "Source", new QDropOptions { Training = new() { DropProbability = 1 } })).ParamName);
        Assert.AreEqual("Training", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeNetwork("Score", "Source", new AdaRoundOptions { Training = null! })).ParamName);
    }

    [TestMethod]
    public void Every_method_has_options_for_one_step()
    {
        var data = Data();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        var made = new Dictionary<string, TensorData[]>();
        var rounding = RoundingTraining.Paper with { Iterations = 3, BatchSize = 8 };
        var hdrq = HdrqOptions.Paper with
        {
            WeightBits = 4,
            ActivationBits = 4,
            Training = HdrqTraining.Paper with { Iterations = 3, BatchSize = 8 }
        };
        // A stem, three blocks and the classifier; or seven convolutions and the classifier.
        foreach (var (name, method, parts) in new (string, QuantizationOptions, int)[]
        {
            ("RTN", RoundToNearestOptions.Paper, 0),
            ("AdaRound", AdaRoundOptions.Paper with { Training = rounding }, 8),
            ("BRECQ", BrecqOptions.Paper with { Training = rounding }, 5),
            ("QDrop", QDropOptions.Paper with { Training = QDropTraining.Paper with { Iterations = 3, BatchSize = 8 } }, 5),
            ("HDRQ", hdrq, 5),
        })
        {
            var steps = 0;
            var options = method with
            {
                WeightBits = 4,
                ActivationBits = 4,
                Progress = new Report<QuantizationProgress>(_ => steps++)
            };
            made.Add(name, Quantize(_ml.Transforms.QuantizeNetwork("Quantized", "Source", options, new() { Seed = 4 }),
                name));
            Assert.AreEqual(3 * parts, steps, name);
        }
        // No two do the same.
        var pairs = from one in made
                    from other in made
                    where string.CompareOrdinal(one.Key, other.Key) < 0
                    select (one, other);
        foreach (var (one, other) in pairs)
            Assert.IsFalse(one.Value.SequenceEqual(other.Value), $"{one.Key} and {other.Key}");

        CollectionAssert.AreEqual(made["HDRQ"],
            Quantize(_ml.Transforms.QuantizeHdrq("Quantized", "Source", hdrq, new() { Seed = 4 }), "HDRQ"));
        // The parts of HDRQ, each without the other; what it is without any is training through rounding to nearest.
        foreach (var part in new[] { hdrq.Training with { UseNoise = false },
            hdrq.Training with { UseNoise = false, DistanceWeight = 0 }, hdrq.Training with { DropProbability = 0 } })
        {
            var step = _ml.Transforms.QuantizeHdrq("Quantized", "Source", hdrq with { Training = part }, new() { Seed = 4 });
            CollectionAssert.AreNotEqual(made["HDRQ"], Quantize(step, part.UseNoise ? "HDRQ" : "STE"));
        }

        TensorData[] Quantize(IEstimator<NetworkTransformer> step, string method)
        {
            using var quantized = step.Fit(source.Transform(data));
            Assert.AreEqual(method, quantized.Network.Metadata[NetworkMetadata.Method]);
            return [.. quantized.Network.Parameters.Values.Select(tensor => TensorData.FromTorch(tensor))];
        }
    }

    [TestMethod]
    public void Simple_overloads_and_the_quantizer_itself_give_what_options_give()
    {
        var data = Data();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        RowOptions fog = new() { DomainColumnName = "Domain", Domain = "fog" };
        AssertSame(new MLContext(1).Transforms.AdaptNetwork("Score", "Source", rows: fog),
            new MLContext(1).Transforms.AdaptNetwork("Score", "Source", "fog", "Domain"));
        var options = new HdrqOptions { WeightBits = 4, ActivationBits = 5, Training = new() { Iterations = 3 } };
        using var step = _ml.Transforms.QuantizeHdrq("Score", "Source", options, fog with { Seed = 7 })
            .Fit(source.Transform(data));
        using var images = torch.tensor(
            _ml.Data.CreateEnumerable<Row>(data, reuseRowObject: false).Where(row => row.Domain == "fog")
            .SelectMany(row => row.Pixels).ToArray()).reshape(-1, 3, 8, 8);
        using var alone = NetworkQuantizer.Quantize(network, images, options, seed: 7);
        Assert.AreEqual(step.Network.ParametersSha256(), alone.ParametersSha256());
        Assert.AreEqual(string.Join(' ', step.Network.Metadata), string.Join(' ', alone.Metadata));

        void AssertSame(NetworkAdaptationEstimator one, NetworkAdaptationEstimator other)
        {
            using var first = one.Fit(source.Transform(data));
            using var second = other.Fit(source.Transform(data));
            Assert.AreEqual(first.Network.ParametersSha256(), second.Network.ParametersSha256());
            Assert.AreNotEqual(network.ParametersSha256(), second.Network.ParametersSha256());
        }
    }

    [TestMethod]
    public void The_overload_of_bits_and_domain_is_checked_as_options_are()
    {
        Assert.AreEqual("WeightBits",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.QuantizeHdrq("Score", "Source", 1, 4)).ParamName);
        Assert.AreEqual("Domain", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeHdrq("Score", "Source", 4, 4, "")).ParamName);
        Assert.AreEqual("domain", Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", "", "Domain")).ParamName);
    }

    [TestMethod]
    public void The_quantizer_refuses_what_it_cannot_use()
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var images = torch.rand(2, 3, 8, 8);
        using var none = torch.rand(0, 3, 8, 8);
        using var bytes = torch.zeros(2, 3, 8, 8, torch.ScalarType.Byte);
        using var two = TestNetworks.WithTwoInputs();
        using var other = ResNet.Cifar(8, 2, seed: 1, width: 4, inputSize: 8);
        Assert.AreEqual("WeightBits",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => NetworkQuantizer.Quantize(network, images, new HdrqOptions { WeightBits = 9 })).ParamName);
        Assert.AreEqual("images", Assert.ThrowsExactly<ArgumentException>(
            () => NetworkQuantizer.Quantize(network, none, new RoundToNearestOptions())).ParamName);
        Assert.AreEqual("images", Assert.ThrowsExactly<ArgumentException>(
            () => NetworkQuantizer.Quantize(network, bytes, new RoundToNearestOptions())).ParamName);
        Assert.AreEqual("network", Assert.ThrowsExactly<ArgumentException>(
            () => NetworkQuantizer.Quantize(two, images, new RoundToNearestOptions())).ParamName);
        AssertThrows<ArgumentException>(
            "source", "conv1", () => NetworkQuantizer.Quantize(
                network, images, new RoundToNearestOptions { Source = other }));
    }

    [TestMethod]
    public void Steps_keep_Gram_matrices_unless_they_are_told_not_to()
    {
        var data = Data();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        var few = new SentMoments { MinImages = 24 };
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Adapted", "Source", new() { Epochs = 1, BatchSize = 8, Moments = few }, new() { Seed = 3 })
            .Fit(source.Transform(data));
        using var quantized = _ml.Transforms.QuantizeHdrq(
            "Quantized", "Source", new()
            {
                WeightBits = 4,
                ActivationBits = 4,
                Training = new() { Iterations = 0 },
                Moments = few
            }).Fit(source.Transform(data));
        using var without = _ml.Transforms.QuantizeHdrq(
            "Quantized", "Adapted", new()
            {
                WeightBits = 4,
                ActivationBits = 4,
                Training = new() { Iterations = 0 },
                Moments = SentMoments.Nothing
            }).Fit(adapted.Transform(source.Transform(data)));
        using var again = _ml.Transforms.AdaptNetwork(
            "Again", "Adapted", new() { Epochs = 1, BatchSize = 8, Moments = SentMoments.Nothing }, new() { Seed = 3 })
            .Fit(adapted.Transform(source.Transform(data)));
        // Seven convolutions and the classifier.
        Assert.AreEqual(8, Count(adapted.Network));
        Assert.AreEqual(8, Count(quantized.Network));
        Assert.AreEqual(0, Count(without.Network));
        Assert.AreEqual(0, Count(again.Network));
        Assert.AreEqual(SentMoments.Nothing, HdrqOptions.Paper.Moments);

        // Networks are merged by what all of them carry.
        foreach (var (other, method) in new[] { (quantized.Network, "RegMean"), (without.Network, "mean") })
        {
            using var merged = _ml.Transforms.MergeNetworks("Score", "Pixels", quantized.Network, other).Fit(data);
            Assert.AreEqual(method, merged.Network.Metadata[NetworkMetadata.MergeMethod]);
            Assert.AreEqual(0, Count(merged.Network));
        }

        static int Count(Network network) =>
            network.Metadata.Keys.Count(key => key.StartsWith(InputGrams.Prefix, StringComparison.Ordinal));
    }

    [TestMethod]
    public void Data_that_does_not_fit_is_named_before_training()
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(Data());

        AssertThrows<ArgumentOutOfRangeException>(
            "Pixels", "score column of a network",
            () => _ml.Transforms.AdaptNetwork("Score", "Pixels").Fit(source.Transform(Data())));
        AssertThrows<ArgumentOutOfRangeException>(
            "Label", "2 classes", () =>
            _ml.Transforms.AdaptNetwork("Score", "Source").Fit(source.Transform(Data(classes: 3))));
        AssertThrows<ArgumentOutOfRangeException>(
            "Number", "Key", () => _ml.Transforms.AdaptNetwork(
                "Score", "Source", rows: new() { LabelColumnName = "Number" }).Fit(source.Transform(Data())));
        AssertThrows<ArgumentOutOfRangeException>(
            "Number", "Text", () => _ml.Transforms.QuantizeHdrq(
                "Score", "Source", rows: new() { DomainColumnName = "Number", Domain = "fog" })
            .Fit(source.Transform(Data())));
        AssertThrows<InvalidOperationException>(
            "Domain", "'snow'", () => _ml.Transforms.QuantizeHdrq(
                "Score", "Source", rows: new() { DomainColumnName = "Domain", Domain = "snow" })
            .Fit(source.Transform(Data())));
        AssertThrows<InvalidOperationException>(
            "Pixels", "NaN", () => _ml.Transforms.QuantizeHdrq("Score", "Source")
            .Fit(source.Transform(Data(hasNaN: true))));
    }

    [TestMethod]
    public void Too_few_rows_for_moments_are_warned_of_or_refused()
    {
        var warnings = new List<string>();
        _ml.Log += (_, entry) =>
        {
            if (entry.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning
                && entry.RawMessage.Contains("moments", StringComparison.Ordinal))
                warnings.Add(entry.RawMessage);
        };
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(Data());
        var rows = source.Transform(Data());
        using var adapted = _ml.Transforms.AdaptNetwork("Adapted", "Source", new() { Epochs = 1, BatchSize = 8 }).Fit(rows);
        using var quantized = _ml.Transforms.QuantizeNetwork("Quantized", "Source", new RoundToNearestOptions()).Fit(rows);
        CollectionAssert.AreEqual(new[] { "Adapted", "Quantized" },
            warnings.Select(warning => warning.Split('\'')[1]).ToArray());
        StringAssert.Contains(warnings[0], "24 images are too few for moments, which need 32");
        Assert.AreEqual(24, SentMomentsReport.Of(quantized.Network)!.Images);
        var whole = new SentMoments { Kind = MomentsKind.Whole };
        Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.AdaptNetwork("A", "Source", new() { Epochs = 1, BatchSize = 8, Moments = whole })
            .Fit(rows));
        Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.QuantizeNetwork("Q", "Source", new RoundToNearestOptions { Moments = whole })
            .Fit(rows));
    }

    [TestMethod]
    public void Merging_names_what_cannot_be_merged()
    {
        using var a = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var b = ResNet.Cifar(8, 2, seed: 1, width: 4, inputSize: 8);
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Transforms.MergeNetworks("Score", "Source"));
        AssertThrows<ArgumentException>(
            "conv1.weight", "", () => _ml.Transforms.MergeNetworks("Score", "Pixels", a, b).Fit(Data()));
    }

    [TestMethod]
    [DataRow(16)]
    [DataRow(32)]
    public void The_same_seed_gives_the_same_bytes_and_leaves_no_tensor_behind(int minImages)
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        var first = Fit();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var second = Fit();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        CollectionAssert.AreEqual(first, second);

        byte[] Fit()
        {
            var data = Data();
            var few = new SentMoments { MinImages = minImages };
            using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
            using var adapted = _ml.Transforms.AdaptNetwork(
                "Adapted", "Source", new() { Epochs = 1, BatchSize = 8, Moments = few }, new() { Seed = 3 })
                .Fit(source.Transform(data));
            using var quantized = _ml.Transforms
                .QuantizeHdrq("Quantized", "Adapted",
                    new()
                    {
                        WeightBits = 4,
                        ActivationBits = 4,
                        Training = new() { Iterations = 3, BatchSize = 8 },
                        Moments = few
                    }, new() { MaxRows = 16, Seed = 4 })
                .Fit(adapted.Transform(source.Transform(data)));
            using var merged = _ml.Transforms.MergeNetworks("Score", "Pixels", quantized.Network, quantized.Network)
                .Fit(data);
            using var file = new MemoryStream();
            merged.Network.SaveOnnx(file);
            return file.ToArray();
        }
    }

    [TestMethod]
    public void Sites_that_send_files_get_what_one_pipeline_gives()
    {
        using var folder = new TemporaryDirectory();
        var data = Data();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var fog = Site("fog");
        using var night = Site("night");
        using var together = _ml.Transforms.MergeNetworks("Score", "Pixels", fog.Network, night.Network).Fit(data);
        fog.Network.SaveOnnx(folder.Combine("fog.onnx"));
        night.Network.SaveOnnx(folder.Combine("night.onnx"));
        using var sentFog = Network.LoadOnnx(folder.Combine("fog.onnx"));
        using var sentNight = Network.LoadOnnx(folder.Combine("night.onnx"));
        using var apart = _ml.Transforms.MergeNetworks("Score", "Pixels", sentFog, sentNight).Fit(data);

        Assert.IsNull(together.Network.Graph.FirstDifference(apart.Network.Graph));
        foreach (var (name, tensor) in together.Network.Parameters)
            CollectionAssert.AreEqual(tensor.bytes.ToArray(), apart.Network.Parameters[name].bytes.ToArray(), name);

        NetworkTransformer Site(string domain) => _ml.Transforms
            .QuantizeHdrq(
                "Quantized", "Source", new()
                {
                    WeightBits = 4,
                    ActivationBits = 4,
                    Training = new() { Iterations = 3, BatchSize = 8 }
                },
                new() { DomainColumnName = "Domain", Domain = domain, Seed = 4 })
            .Fit(source.Transform(data));
    }

    [TestMethod]
    [DataRow(8, 8)]
    [DataRow(4, 4)]
    [DataRow(3, 5)]
    public void A_quantized_network_is_saved_and_loaded(int weightBits, int activationBits)
    {
        var data = Data();
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var quantized = _ml.Transforms.QuantizeHdrq(
            "Score", "Source", new()
            {
                WeightBits = weightBits,
                ActivationBits = activationBits,
                Training = new() { Iterations = 0 }
            }).Fit(source.Transform(data));
        using var file = new MemoryStream();
        _ml.Model.Save(quantized, data.Schema, file);
        file.Position = 0;

        var loaded = new MLContext().Model.Load(file, out _);

        var expected = quantized.Transform(data).GetColumn<float[]>("Score").SelectMany(scores => scores).ToArray();
        var actual = loaded.Transform(data).GetColumn<float[]>("Score").SelectMany(scores => scores).ToArray();
        // A value that lies half-way between two integers may be rounded to the other one where sums are added in
        // another order.
        var differing = expected.Zip(actual)
            .Count(pair => Math.Abs(pair.First - pair.Second) > 1e-3 * expected.Max(Math.Abs));
        Assert.IsLessThanOrEqualTo(expected.Length / 10, differing);
    }

    [TestMethod]
    public void Cancelling_ends_training()
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(Data());
        using var cancellation = new CancellationTokenSource();
        var steps = 0;
        var options = new HdrqOptions
        {
            Training = new() { Iterations = 1000, BatchSize = 8 },
            Progress = new Report<QuantizationProgress>(progress =>
            {
                Assert.AreEqual(++steps, progress.Step);
                if (steps == 3)
                    cancellation.Cancel();
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(
            () => _ml.Transforms.QuantizeHdrq(
                "Score", "Source", options, new() { CancellationToken = cancellation.Token })
            .Fit(source.Transform(Data())));
        Assert.AreEqual(3, steps);
    }

    /// <summary>24 rows, each of two classes as often: guessing has a loss of ln 2.</summary>
    [TestMethod]
    [DataRow(1e-9, false, "not below 0.693, that of guessing")]
    [DataRow(0.02, false, null)]
    [DataRow(0.02, true, "above ")]
    public void Training_that_has_not_helped_is_said_in_the_log(double rate, bool isTrained, string? warning)
    {
        using var network = TestNetworks.Classifier();
        var data = Data();
        var options = new AdaptationOptions
        {
            Epochs = 40,
            BatchSize = 24,
            LearningRate = rate,
            CropPadding = 0,
            HorizontalFlip = false,
            Moments = SentMoments.Nothing
        };
        var messages = new List<string>();
        var ml = new MLContext(1);
        ml.Log += (_, e) =>
        {
            if (e.Kind == Runtime.ChannelMessageKind.Warning)
                messages.Add(e.RawMessage);
        };
        using var source = ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = ml.Transforms.AdaptNetwork("Adapted", "Source", options).Fit(source.Transform(data));
        if (isTrained)
        {
            Assert.IsEmpty(messages);
            // One step, which takes away a part of every weight of a network that was good already.
            var worse = options with { Epochs = 1, LearningRate = 0.1, WeightDecay = 1 };
            using var spoilt = ml.Transforms.AdaptNetwork("Adapted", "Adapted", worse)
                .Fit(adapted.Transform(source.Transform(data)));
        }
        if (warning is null)
            Assert.IsEmpty(messages);
        else
            Assert.Contains(warning, messages.Single());
    }

    private IDataView Data(int classes = 2, bool hasNaN = false)
    {
        var random = new Random(1);
        return _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 24).Select(i => new Row
        {
            Pixels = [.. Enumerable.Range(0, 192)
                .Select(p => hasNaN && i == 20 && p == 7 ? float.NaN : random.NextSingle())],
            Domain = i % 2 == 0 ? "fog" : "night",
            Number = i,
            // ML.NET counts the values of members from 0, and keys in data from 1.
            Label = (uint)(i % classes),
        }).ToArray());
    }

    private static void AssertThrows<T>(string column, string part, Action action) where T : Exception
    {
        var message = Assert.ThrowsExactly<T>(action).Message;
        Assert.Contains(column, message);
        Assert.Contains(part, message);
    }
}
