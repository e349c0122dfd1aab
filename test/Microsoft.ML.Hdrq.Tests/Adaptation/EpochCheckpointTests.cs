using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Adaptation;

/// <summary>Fine-tuning that is stopped goes on after its last finished epoch, and gives the same bytes.</summary>
[TestClass]
public sealed class EpochCheckpointTests
{
    private const int Rows = 10;

    private readonly TemporaryDirectory _folder = new();
    private readonly Network _network = WithDropout();
    private readonly torch.Tensor _images = SmallNetworks.Random(1, Rows, 2, 8, 8);
    private readonly torch.Tensor _labels = torch.arange(Rows, torch.ScalarType.Int64).remainder(3);

    private string Checkpoints => _folder.Combine("checkpoints");

    [TestCleanup]
    public void CleanUp()
    {
        _images.Dispose();
        _labels.Dispose();
        _network.Dispose();
        _folder.Dispose();
    }

    private static IEnumerable<TestDataRow<AdaptationOptions>> Kinds =>
        new AdaptationOptions[]
        {
            new(),
            new() { Momentum = 0 },
            new() { Optimizer = FineTuningOptimizer.AdamW, HeadLearningRate = 0.1 },
            new() { UpdateStatistics = true },
            new() { ValidationFraction = 0.3, LearningRate = 0.3 },
            new() { ValidationFraction = 0.3, Patience = 1, LearningRate = 1e-4, Optimizer = FineTuningOptimizer.AdamW },
        }.Select((options, i) => new TestDataRow<AdaptationOptions>(
            options with { Epochs = 4, BatchSize = 4 })
        { DisplayName = $"{i}" });

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void It_goes_on_after_the_last_finished_epoch_wherever_it_was_stopped(AdaptationOptions options)
    {
        var (whole, steps) = Train(options);
        var stepsInEpoch = options.ValidationFraction > 0 ? 2 : 3;
        Assert.AreEqual(0, steps.Count % stepsInEpoch);
        foreach (var stopped in steps)
        {
            Assert.ThrowsExactly<OperationCanceledException>(
                () => Train(options with { CheckpointDirectory = Checkpoints }, stopsAfter: stopped));
            var (resumed, trained) = Train(options with { CheckpointDirectory = Checkpoints });
            CollectionAssert.AreEqual(whole, resumed, $"step {stopped}");
            var finished = stopped / stepsInEpoch * stepsInEpoch;
            CollectionAssert.AreEqual(steps.Where(step => step > finished).ToList(), trained, $"step {stopped}");
            Directory.Delete(Checkpoints, recursive: true);
        }
    }

    [TestMethod]
    [DataRow(AdaptationMethod.Shot)]
    [DataRow(AdaptationMethod.SelfTraining)]
    [DataRow(AdaptationMethod.Student)]
    public void Without_labels_it_goes_on_after_the_last_finished_epoch(AdaptationMethod method)
    {
        var options = new AdaptationOptions
        {
            Method = method,
            Epochs = 3,
            BatchSize = 4,
            LearningRate = 0.05,
            KeepSourceIfWorse = false,
        };
        var (whole, steps) = TrainWithoutLabels(options);
        CollectionAssert.AreNotEqual(whole, TrainWithoutLabels(options with { LearningRate = 0.04 }).Network);
        // Before the first epoch is finished, after each epoch and between them.
        foreach (var stopped in steps.Where(step => step % 3 != 2))
        {
            Assert.ThrowsExactly<OperationCanceledException>(
                () => TrainWithoutLabels(options with { CheckpointDirectory = Checkpoints }, stopped));
            var (resumed, trained) = TrainWithoutLabels(options with { CheckpointDirectory = Checkpoints });
            CollectionAssert.AreEqual(whole, resumed, $"step {stopped}");
            CollectionAssert.AreEqual(
                steps.Where(step => step > stopped / 3 * 3).ToList(), trained, $"step {stopped}");
            Directory.Delete(Checkpoints, recursive: true);
        }
    }

    [TestMethod]
    public void Only_the_same_job_takes_a_checkpoint_up()
    {
        var options = new AdaptationOptions { Epochs = 2, BatchSize = 4, CheckpointDirectory = Checkpoints };
        var (whole, steps) = Train(options);
        Assert.IsEmpty(Train(options).Steps);
        using var otherLabels = _labels.flip(0);
        (string Other, Func<List<int>> Trained)[] jobs =
        [
            ("epochs", () => Train(options with { Epochs = 3 }).Steps),
            ("rate", () => Train(options with { LearningRate = 0.01 }).Steps),
            ("seed", () => Train(options, seed: 2).Steps),
            ("labels", () => Train(options, labels: otherLabels).Steps),
        ];
        foreach (var (name, trained) in jobs)
            Assert.AreEqual(1, trained()[0], name);
        foreach (var file in Directory.GetFiles(Checkpoints))
        {
            var bytes = File.ReadAllBytes(file);
            bytes[^100] ^= 1;
            File.WriteAllBytes(file, bytes);
        }
        var (again, trainedAgain) = Train(options);
        CollectionAssert.AreEqual(whole, again);
        CollectionAssert.AreEqual(steps, trainedAgain);
    }

    [TestMethod]
    public void Work_goes_on_where_no_checkpoint_can_be_written_and_says_so_once()
    {
        var options = new AdaptationOptions { Epochs = 3, BatchSize = 4 };
        var whole = Train(options).Network;
        var warnings = new List<string>();
        File.WriteAllText(Checkpoints, "");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => (options with { CheckpointDirectory = Checkpoints }).Check());
        CollectionAssert.AreEqual(whole,
            Train(options with { CheckpointDirectory = Checkpoints }, warn: warnings.Add).Network);
        warnings.RemoveAll(warning => warning.StartsWith("after training", StringComparison.Ordinal));
        Assert.HasCount(1, warnings);
        StringAssert.StartsWith(warnings[0],
            $"no checkpoint can be written to '{Checkpoints}', and the work goes on without: ");
    }

    /// <returns>The network as ONNX, and the steps that were done.</returns>
    private (byte[] Network, List<int> Steps) Train(
        AdaptationOptions options, int seed = 1, int? stopsAfter = null, torch.Tensor? labels = null,
        Action<string>? warn = null) =>
        Run(options, stopsAfter, (stoppable, token) => FineTuning.Train(
            _network, _images, labels ?? _labels, stoppable, -100, seed, token, warn));

    /// <returns>The network as ONNX, and the steps that were done, of teacher and student together.</returns>
    private (byte[] Network, List<int> Steps) TrainWithoutLabels(AdaptationOptions options, int? stopsAfter = null) =>
        Run(options, stopsAfter, (stoppable, token) => new UnlabelledAdaptation(
            _network, _images, stoppable, 1, _ => { }, token).Run().Network);

    private static (byte[] Network, List<int> Steps) Run(
        AdaptationOptions options, int? stopsAfter, Func<AdaptationOptions, CancellationToken, Network> train)
    {
        using var end = new CancellationTokenSource();
        var steps = new List<int>();
        var progress = new Reports(report =>
        {
            steps.Add(report.Step);
            if (report.Step == stopsAfter)
                end.Cancel();
        });
        using var trained = train(options with { Progress = progress }, end.Token);
        // A signal that comes after the last step comes too late.
        end.Token.ThrowIfCancellationRequested();
        using var stream = new MemoryStream();
        trained.SaveOnnx(stream);
        return (stream.ToArray(), steps);
    }

    /// <summary>
    /// Batch normalization, whose statistics may be trained, and dropout, which draws from a generator of its own.
    /// </summary>
    private static Network WithDropout()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2, 8, 8);
        var normalized = builder.Node(
            "BatchNormalization", "norm",
            [
                builder.Convolve("conv", "x", 2, 4), builder.Parameter("scale", torch.ones(4)),
                builder.Parameter("bias", torch.zeros(4)),
                builder.Parameter("mean", torch.zeros(4), ParameterRole.Statistic),
                builder.Parameter("var", torch.ones(4), ParameterRole.Statistic),
            ]);
        var dropped = builder.Node("Dropout", "drop",
            [builder.Node("Relu", "relu", [normalized]),
                builder.Parameter("ratio", torch.tensor(0.3f), ParameterRole.Constant)]);
        var pooled = builder.Node("Flatten", "flat", [builder.Node("GlobalAveragePool", "pool", [dropped])]);
        builder.Node("Gemm", "scores",
            [pooled, builder.Parameter("head", SmallNetworks.Random(3, 3, 4)),
                builder.Parameter("head.bias", torch.zeros(3))], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 3]));
    }

    private sealed class Reports(Action<FineTuningProgress> receive) : IProgress<FineTuningProgress>
    {
        public void Report(FineTuningProgress value) => receive(value);
    }
}
