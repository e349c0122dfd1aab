using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Adapting as a step of a pipeline whose data has no labels.</summary>
[TestClass]
public sealed class AdaptWithoutLabelsTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];
    }

    public static IEnumerable<AdaptationMethod> Methods =>
        Enum.GetValues<AdaptationMethod>().Where(method => method != AdaptationMethod.Labels);

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void Every_method_needs_images_only_and_says_what_it_did(AdaptationMethod method)
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var options = new AdaptationOptions { Method = method, Epochs = 2, BatchSize = 8, KeepSourceIfWorse = false };
        LiveTensors.AssertUnchanged(() =>
        {
            using var adapted = Adapt(network, options);
            Assert.AreNotEqual(network.ParametersSha256(), adapted.ParametersSha256());
            Assert.IsNull(adapted.Graph.FirstDifference(network.Graph));
            Assert.AreEqual(network.ParametersSha256(), adapted.Metadata[NetworkMetadata.Source]);
            using var file = new MemoryStream();
            adapted.SaveOnnx(file);
            file.Position = 0;
            using var read = Network.LoadOnnx(file);
            var report = AdaptationReport.Of(read)!;
            Assert.AreEqual(method, report.Method);
            Assert.AreEqual(40, report.Images);
            Assert.IsNull(report.KeptSource);
            Assert.AreEqual(1, report.Before.SourceAgreement);
            Assert.AreNotEqual(report.Before.MeanEntropy, report.After.MeanEntropy);
            Assert.AreEqual(report, AdaptationReport.Of(adapted));
        });
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void The_same_seed_gives_the_same_network(AdaptationMethod method)
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var options = new AdaptationOptions { Method = method, Epochs = 1, BatchSize = 8, KeepSourceIfWorse = false };
        using var one = Adapt(network, options);
        using var same = Adapt(network, options);
        using var other = Adapt(network, options, new() { Seed = 2 });
        Assert.AreEqual(one.ParametersSha256(), same.ParametersSha256());
        Assert.AreNotEqual(one.ParametersSha256(), other.ParametersSha256());
    }

    [TestMethod]
    public void Only_what_a_method_trains_changes()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        foreach (var method in Methods)
        {
            using var adapted = Adapt(network, new()
            {
                Method = method,
                Epochs = 1,
                BatchSize = 8,
                KeepSourceIfWorse = false,
            });
            var head = network.Graph.Layers.Head;
            foreach (var definition in network.Graph.Parameters.Where(p => p.Role != ParameterRole.Constant))
            {
                var isNormalization = definition.Shape.Length == 1 && !head.Contains(definition.Name);
                var changes = definition.Role == ParameterRole.Statistic
                    ? method != AdaptationMethod.Student
                    : method switch
                    {
                        AdaptationMethod.Statistics => false,
                        AdaptationMethod.Entropy => isNormalization,
                        AdaptationMethod.Shot or AdaptationMethod.InformationMaximization =>
                            !head.Contains(definition.Name),
                        _ => true,
                    };
                var isSame = network.Parameters[definition.Name].bytes.ToArray()
                    .SequenceEqual(adapted.Parameters[definition.Name].bytes.ToArray());
                Assert.AreEqual(changes, !isSame, $"{method}: {definition.Name}");
            }
        }
    }

    [TestMethod]
    public void Folded_networks_are_adapted_and_a_warning_says_what_they_lack()
    {
        using var unfolded = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        using var network = FoldBatchNormalization.Apply(unfolded);
        var warnings = Warnings();
        using var shot = Adapt(network, new()
        {
            Method = AdaptationMethod.Shot,
            Epochs = 1,
            BatchSize = 8,
            KeepSourceIfWorse = false,
        });
        Assert.AreNotEqual(network.ParametersSha256(), shot.ParametersSha256());
        Assert.Contains("RecordStatistics", warnings.Single());
        using var statistics = Adapt(network, new() { Method = AdaptationMethod.Statistics });
        Assert.AreEqual(network.ParametersSha256(), statistics.ParametersSha256());
        Assert.HasCount(2, warnings);
        Assert.Contains(
            "normalizations", Assert.ThrowsExactly<ArgumentException>(
                () => Adapt(network, new() { Method = AdaptationMethod.Entropy })).Message);

        // Recorded where the source is, on other images.
        warnings.Clear();
        using var applied = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(Data(0, 1));
        using var recorded = _ml.Transforms.RecordStatistics("Recorded", "Source").Fit(applied.Transform(Data(0, 1)));
        Assert.AreEqual(network.ParametersSha256(), recorded.Network.ParametersSha256());
        using var moved = Adapt(recorded.Network, new()
        {
            Method = AdaptationMethod.Statistics,
            KeepSourceIfWorse = false,
        });
        Assert.AreNotEqual(network.ParametersSha256(), moved.ParametersSha256());
        Assert.IsEmpty(warnings);
        using var normalized = _ml.Transforms.ApplyNetwork("Source", "Pixels", unfolded).Fit(Data(0, 1));
        Assert.Contains("statistics of their own", Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.RecordStatistics("Recorded", "Source").Fit(normalized.Transform(Data(0, 1)))).Message);
    }

    [TestMethod]
    [DataRow("HeadClassNames", "labels")]
    [DataRow("ValidationFraction", "labels")]
    [DataRow("UpdateStatistics", "statistics")]
    [DataRow("ClassWeights", "classes")]
    [DataRow("HeadLearningRate", "head")]
    [DataRow("Teacher", "no teacher")]
    [DataRow("Teacher", "neither labels nor a teacher")]
    [DataRow("Teacher", "Epochs is 0")]
    [DataRow("Method", "not a method")]
    public void Options_that_a_method_does_not_have_are_refused_by_name(string option, string reason)
    {
        var shot = new AdaptationOptions { Method = AdaptationMethod.Shot };
        var options = (option, reason) switch
        {
            ("HeadClassNames", _) => shot with { HeadClassNames = ["a", "b"] },
            ("ValidationFraction", _) => shot with { ValidationFraction = 0.1 },
            ("UpdateStatistics", _) => shot with { UpdateStatistics = true },
            ("ClassWeights", _) => shot with { ClassWeights = [1, 2] },
            ("HeadLearningRate", _) => shot with { HeadLearningRate = 0.1 },
            ("Teacher", "no teacher") => shot with { Teacher = new() { Method = AdaptationMethod.Statistics } },
            ("Teacher", "Epochs is 0") => new()
            {
                Method = AdaptationMethod.Student,
                Teacher = shot with { Epochs = 0 },
            },
            ("Teacher", _) => new() { Method = AdaptationMethod.Student, Teacher = new() },
            _ => new() { Method = (AdaptationMethod)99 },
        };
        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", options)).Message;
        Assert.Contains(reason == "Epochs is 0" ? "Epochs" : option, message);
        Assert.Contains(reason, message);
    }

    [TestMethod]
    public void Networks_that_a_method_does_not_suit_are_refused()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        using var images = torch.zeros(2, 3, 8, 8);
        using var quantized = NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions());
        using var segmenter = TestNetworks.Segmenter();
        var shot = new AdaptationOptions { Method = AdaptationMethod.Shot };
        Assert.Contains(
            "full precision", Assert.ThrowsExactly<ArgumentException>(() => Adapt(quantized, shot)).Message);
        Assert.Contains("pixels", Assert.ThrowsExactly<ArgumentException>(() => Adapt(segmenter, shot)).Message);
        Assert.Contains("pixels", Assert.ThrowsExactly<ArgumentException>(
            () => Adapt(segmenter, new() { Method = AdaptationMethod.Student, Teacher = shot })).Message);
        Assert.Contains("ClassWeights", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Adapt(network, new() { Method = AdaptationMethod.SelfTraining, ClassWeights = [1, 2] })).Message);
    }

    [TestMethod]
    public void Segmenters_are_adapted_by_self_training_on_crops()
    {
        using var network = TestNetworks.Segmenter();
        foreach (var method in new[] { AdaptationMethod.SelfTraining, AdaptationMethod.Student })
        {
            using var adapted = Adapt(network, new()
            {
                Method = method,
                Epochs = 2,
                BatchSize = 8,
                CropSize = 5,
                LearningRate = 0.1,
                KeepSourceIfWorse = false,
            });
            Assert.IsTrue(adapted.Parameters["conv.weight"].isfinite().all().item<bool>());
            Assert.AreNotEqual(network.ParametersSha256(), adapted.ParametersSha256(), $"{method}");
            Assert.AreEqual(method, AdaptationReport.Of(adapted)!.Method);
        }
    }

    /// <summary>
    /// The last step leaves weights that are finite and scores that are not: no loss tells of it.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Training_whose_last_step_diverges_is_refused(bool keepSourceIfWorse)
    {
        using var network = ResNet.Cifar(20, 3, seed: 1, width: 4, inputSize: 8);
        LiveTensors.AssertUnchanged(() =>
        {
            var error = Assert.ThrowsExactly<InvalidOperationException>(() => Adapt(network, new()
            {
                Method = AdaptationMethod.InformationMaximization,
                Epochs = 1,
                LearningRate = 1000,
                Optimizer = FineTuningOptimizer.AdamW,
                KeepSourceIfWorse = keepSourceIfWorse,
            }));
            StringAssert.Contains(error.Message, "The scores are not finite after training: the learning rate, 1000");
        });
    }

    [TestMethod]
    public void Progress_counts_the_steps_of_teacher_and_student_together()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var reports = new List<FineTuningProgress>();
        using var adapted = Adapt(network, new()
        {
            Method = AdaptationMethod.Student,
            Epochs = 2,
            BatchSize = 16,
            KeepSourceIfWorse = false,
            Progress = new Report<FineTuningProgress>(reports.Add),
        });
        // Three epochs of the teacher and two of the student, each of three batches.
        CollectionAssert.AreEqual(Enumerable.Range(1, 15).ToArray(), reports.Select(report => report.Step).ToArray());
        Assert.IsTrue(reports.All(report => report.Steps == 15));
        Assert.AreEqual(5, reports[^1].Epoch);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(4)]
    [DataRow(12)]
    public void It_is_cancelled_between_steps(int step)
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        LiveTensors.AssertUnchanged(() =>
        {
            using var cancellation = new CancellationTokenSource();
            if (step == 0)
                cancellation.Cancel();
            var options = new AdaptationOptions
            {
                Method = AdaptationMethod.Student,
                Epochs = 2,
                BatchSize = 16,
                KeepSourceIfWorse = false,
                Progress = new Report<FineTuningProgress>(report =>
                {
                    Assert.IsLessThanOrEqualTo(step, report.Step);
                    if (report.Step == step)
                        cancellation.Cancel();
                }),
            };
            Assert.ThrowsExactly<OperationCanceledException>(
                () => Adapt(network, options, new() { CancellationToken = cancellation.Token }));
        });
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void The_source_is_kept_where_its_statistics_are_better(AdaptationMethod method)
    {
        using var network = Normalized();
        var warnings = Warnings();
        // The source tells colours around 0 apart, from -2 to 2. Here all are between 4.9 and 5.1, as in images of one
        // class, and with a part of their statistics they are still of one.
        var same = Adapt(network, new() { Method = method, Epochs = 1, Progress = Never() }, data: Colors(5, 0.1));
        Assert.AreEqual(network.ParametersSha256(), same.ParametersSha256());
        var report = AdaptationReport.Of(same)!;
        Assert.Contains("it finds about 1.0 classes among these images, where 3.0 are to be expected", report.KeptSource!);
        Assert.Contains(report.KeptSource!, warnings.Single());
        Assert.Contains("'Source' is kept", warnings.Single());
        same.Dispose();

        // Pale images, in which it is not sure of anything: with their statistics it is.
        warnings.Clear();
        using var pale = Adapt(network, new() { Method = method, Epochs = 1 }, data: Colors(0, 0.1));
        Assert.AreNotEqual(network.ParametersSha256(), pale.ParametersSha256());
        Assert.IsNull(AdaptationReport.Of(pale)!.KeptSource);
        Assert.IsEmpty(warnings);

        static IProgress<FineTuningProgress> Never() => new Report<FineTuningProgress>(_ => Assert.Fail("It trains."));
    }

    [TestMethod]
    [DataRow(15, true)]
    [DataRow(16, false)]
    public void The_source_is_kept_where_there_are_too_few_images(int count, bool isKept)
    {
        using var network = Normalized();
        var options = new AdaptationOptions { Method = AdaptationMethod.Statistics };
        using var adapted = Adapt(network, options, new() { MaxRows = count }, Colors(0, 0.1));
        var kept = AdaptationReport.Of(adapted)!.KeptSource;
        Assert.AreEqual(isKept ? "of 15 images too little can be learned; 16 are the least." : null, kept);
    }

    /// <summary>Of images as the source's there is nothing to learn, and elsewhere what it knows would be lost.</summary>
    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void The_source_is_kept_where_the_images_are_its_own(AdaptationMethod method)
    {
        using var network = Normalized();
        var moving = new AdaptationOptions { Method = AdaptationMethod.Statistics, SourceStatisticsWeight = 0 };
        using var there = Adapt(network, moving, data: Colors(0, 0.1));
        foreach (var (colors, isKept) in new[] { (Colors(0, 0.1), true), (Colors(0, 0.5), false) })
        {
            using var adapted = Adapt(there, new() { Method = method, Epochs = 1 }, data: colors);
            var kept = AdaptationReport.Of(adapted)!.KeptSource;
            Assert.AreEqual(isKept, kept?.Contains("are those of the source's own (they differ by 0.0") == true, kept);
        }
    }

    [TestMethod]
    public void The_source_is_kept_where_training_does_harm()
    {
        using var network = Normalized();
        var warnings = Warnings();
        var options = new AdaptationOptions
        {
            Method = AdaptationMethod.Student,
            Epochs = 20,
            LearningRate = 0.1,
            DistanceWeight = 0,
            WeightDecay = 1,
        };
        // Weights that decay to nothing tell nothing apart.
        using var kept = Adapt(network, options, data: Colors(0, 0.1));
        Assert.AreEqual(network.ParametersSha256(), kept.ParametersSha256());
        Assert.Contains("take more images or more epochs, or a lower rate", AdaptationReport.Of(kept)!.KeptSource!);
        using var harmed = Adapt(network, options with { KeepSourceIfWorse = false }, data: Colors(0, 0.1));
        Assert.AreNotEqual(network.ParametersSha256(), harmed.ParametersSha256());
        Assert.HasCount(1, warnings);
    }

    [TestMethod]
    public void Defaults_are_those_of_the_method()
    {
        Assert.AreEqual((6, 0.001), Of(AdaptationMethod.Labels));
        Assert.AreEqual((6, 0.001), Of(AdaptationMethod.Student));
        Assert.AreEqual((3, 0.002), Of(AdaptationMethod.Shot));
        Assert.AreEqual((3, 0.002), Of(AdaptationMethod.InformationMaximization));
        Assert.AreEqual((2, 0.001), Of(AdaptationMethod.Entropy));
        var options = new AdaptationOptions { Epochs = 9, LearningRate = 0.5 } with { Method = AdaptationMethod.Shot };
        Assert.AreEqual((9, 0.5), (options.Epochs, options.LearningRate));

        static (int, double) Of(AdaptationMethod method)
        {
            var options = new AdaptationOptions { Method = method };
            options.Check();
            return (options.Epochs, options.LearningRate);
        }
    }

    private List<string> Warnings()
    {
        var warnings = new List<string>();
        _ml.Log += (_, e) =>
        {
            if (e.Kind == Runtime.ChannelMessageKind.Warning)
                warnings.Add(e.Message);
        };
        return warnings;
    }

    private Network Adapt(
        Network network, AdaptationOptions options, RowOptions? rows = null, IDataView? data = null)
    {
        data ??= Data(0.6f, 0.3f);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms
            .AdaptNetwork("Score", "Source", options, (rows ?? new()) with { Seed = rows?.Seed ?? 1 })
            .Fit(source.Transform(data));
        return adapted.Network.Clone();
    }

    /// <summary>
    /// Scores of the mean colour, normalized with the statistics 0 and 1, after a layer that shot can train.
    /// </summary>
    private static Network Normalized()
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 3, 8, 8);
        builder.Parameter("conv.weight", torch.eye(3).reshape(3, 3, 1, 1));
        builder.Parameter("scale", torch.ones(3));
        builder.Parameter("shift", torch.zeros(3));
        builder.Parameter("mean", torch.zeros(3), ParameterRole.Statistic);
        builder.Parameter("variance", torch.ones(3), ParameterRole.Statistic);
        builder.Parameter("head", torch.eye(3).mul(4));
        builder.Node("Conv", "conv", ["input", "conv.weight"], ("kernel_shape", new long[] { 1, 1 }));
        builder.Node("BatchNormalization", "normalized", ["conv", "scale", "shift", "mean", "variance"]);
        builder.Node("GlobalAveragePool", "pooled", ["normalized"]);
        builder.Node("Flatten", "features", ["pooled"]);
        builder.Node("Gemm", "scores", ["features", "head"], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 3]));
    }

    /// <summary>Images of one colour each: the first component around a mean, the others around its negative.</summary>
    private IDataView Colors(double mean, double spread)
    {
        var random = new Random(3);
        return _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 60).Select(_ => new Row
        {
            Pixels =
            [
                .. Enumerable.Range(0, 3).SelectMany(channel => Enumerable.Repeat(
                    (float)((channel == 0 ? mean : -mean) + spread * (2 * random.NextDouble() - 1)), 64)),
            ],
        }).ToArray());
    }

    private IDataView Data(float shift, float factor)
    {
        var random = new Random(5);
        return _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(_ => new Row
        {
            Pixels = [.. Enumerable.Range(0, 192).Select(_ => shift + factor * ((float)random.NextDouble() - 0.5f))],
        }).ToArray());
    }
}
