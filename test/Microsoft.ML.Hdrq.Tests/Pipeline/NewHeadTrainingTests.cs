using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Adapting with a new head, with two learning rates, and with rows to validate on.</summary>
[TestClass]
public sealed class NewHeadTrainingTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        [VectorType(8, 8)]
        public byte[] Mask { get; set; } = [];

        public string Class { get; set; } = "";
    }

    [TestMethod]
    public void A_network_gets_the_classes_of_the_rows()
    {
        using var network = ResNet.Cifar(8, 10, seed: 1, width: 4, inputSize: 8);
        var data = Data(60);
        var steps = _ml.Transforms.Conversion.MapValueToKey("Label", "Class")
            .Append(_ml.Transforms.ApplyNetwork("Source", "Pixels", network))
            .Append(_ml.Transforms.AdaptNetwork("Score", "Source", new AdaptationOptions
            {
                HeadClassNames = ["bright", "dark", "grey"],
                Epochs = 12,
                BatchSize = 10,
                LearningRate = 0.01,
                UpdateStatistics = true,
            }))
            .Append(_ml.Transforms.QuantizeHdrq("Quantized", "Score", new() { Training = new() { Iterations = 2 } }));
        using var model = steps.Fit(data);
        var scored = model.Transform(data);
        var names = new List<string>();
        foreach (var row in _ml.Data.CreateEnumerable<Scored>(
            _ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel").Fit(scored).Transform(scored), false))
        {
            names.Add(row.Prediction);
        }
        var right = names.Zip(Rows(60)).Count(pair => pair.First == pair.Second.Class);
        Assert.IsGreaterThan(54, right);
        // The network with the old head has another graph: the new one is the source of what follows.
        var made = model.LastTransformer.Network;
        Assert.AreNotEqual(network.ParametersSha256(), made.Metadata[NetworkMetadata.Source]);
    }

    [TestMethod]
    public void The_schema_is_known_before_there_are_rows()
    {
        using var network = Features();
        var rows = _ml.Transforms.CustomMapping<Nothing, Row>((_, _) => { }, null).GetOutputSchema(new SchemaShape([]));
        var steps = _ml.Transforms.Conversion.MapValueToKey("Label", "Class")
            .Append(_ml.Transforms.ApplyNetwork("Source", "Pixels", network))
            .Append(_ml.Transforms.AdaptNetwork("Score", "Source", new AdaptationOptions { HeadClassNames = ["a", "b"] }));
        Assert.IsTrue(steps.GetOutputSchema(rows).Single(column => column.Name == "PredictedLabel").IsKey);
    }

    private sealed class Nothing;

    private sealed class Scored
    {
        public string Prediction { get; set; } = "";
    }

    [TestMethod]
    public void Masks_give_a_head_for_pixels()
    {
        using var network = Features();
        var data = Data(16);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Score", "Source",
            new() { HeadClassNames = ["left", "right"], Epochs = 3, BatchSize = 4 },
            new() { LabelColumnName = "Mask" }).Fit(source.Transform(data));
        CollectionAssert.AreEqual(new[] { "left", "right" }, adapted.ClassNames);
        CollectionAssert.AreEqual(new long[] { -1, 2, -1, -1 }, adapted.Network.Graph.Outputs[0].Shape.ToArray());
        Assert.AreEqual(64, adapted.Transform(data).GetColumn<VBuffer<byte>>("PredictedMask").First().Length);
    }

    [TestMethod]
    public void The_first_step_goes_as_far_as_the_rates_say()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        // One step of gradient descent without momentum and decay: the step is the rate times the gradient.
        var one = Steps(network, 0.01, null);
        var ten = Steps(network, 0.01, 0.1);
        var same = Steps(network, 0.01, 0.01);
        foreach (var (name, step) in one)
        {
            var factor = name.StartsWith("linear", StringComparison.Ordinal) ? 10 : 1;
            Assert.IsGreaterThan(0, step.Sum(Math.Abs), name);
            for (var i = 0; i < step.Length; i++)
            {
                Assert.AreEqual(factor * step[i], ten[name][i], 1e-5, name);
                Assert.AreEqual(step[i], same[name][i], 1e-7, name);
            }
        }

        Dictionary<string, float[]> Steps(Network start, double rate, double? headRate)
        {
            using var scope = torch.NewDisposeScope();
            var images = torch.randn([6, 3, 8, 8], generator: new torch.Generator(4));
            var labels = torch.tensor(new long[] { 0, 1, 2, 0, 1, 2 });
            using var trained = FineTuning.Train(
                start, images, labels,
                new() { Epochs = 1, Momentum = 0, WeightDecay = 0, LearningRate = rate, HeadLearningRate = headRate },
                255, seed: 1, default);
            return start.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight).ToDictionary(
                parameter => parameter.Name,
                parameter => (trained.Parameters[parameter.Name] - start.Parameters[parameter.Name]).data<float>()
                    .ToArray());
        }
    }

    [TestMethod]
    public void The_best_epoch_is_kept_and_training_ends_when_none_is_better()
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var images = torch.randn([60, 3, 8, 8], generator: new torch.Generator(4));
        // Labels without any relation to the images: what is learned by heart does not help elsewhere.
        var labels = torch.randint(0, 3, [60], generator: new torch.Generator(5));
        var reports = new List<FineTuningProgress>();
        var accuracies = new List<double>();
        using var trained = FineTuning.Train(
            network, images, labels,
            new()
            {
                Epochs = 40,
                BatchSize = 16,
                LearningRate = 0.05,
                ValidationFraction = 0.25,
                Patience = 3,
                Progress = new Report<FineTuningProgress>(reports.Add),
            },
            255, seed: 1, default, validated: (validation, _) => accuracies.Add(validation.Accuracy!.Value));
        // 45 of 60 rows are trained on, in three steps an epoch.
        Assert.AreEqual(120, reports[0].Steps);
        Assert.IsNull(reports[1].ValidationAccuracy);
        Assert.AreEqual(1, reports[2].Epoch);
        Assert.IsNotNull(reports[2].ValidationAccuracy);
        Assert.AreEqual(3 * accuracies.Count, reports.Count);
        Assert.IsLessThan(40, accuracies.Count);
        var best = accuracies.Max();
        Assert.IsTrue(accuracies.TakeLast(3).All(accuracy => accuracy <= best));
        // The rows that are validated on are those whose accuracy the trained network has.
        var random = new Random(1);
        _ = random.NextInt64();
        var rows = Enumerable.Range(0, 60).Select(row => (long)row).ToArray();
        random.Shuffle(rows);
        var held = torch.tensor(rows[..15]);
        var right = trained.Forward(images.index_select(0, held)).argmax(1).eq(labels.index_select(0, held));
        Assert.AreEqual(best, right.to(torch.ScalarType.Float32).mean().item<float>(), 1e-6);
    }

    [TestMethod]
    public void Epochs_are_logged_with_their_accuracy()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var lines = new List<string>();
        _ml.Log += (_, message) => lines.Add(message.Message);
        var data = Data(30);
        using var model = _ml.Transforms.Conversion.MapValueToKey("Label", "Class")
            .Append(_ml.Transforms.ApplyNetwork("Source", "Pixels", network))
            .Append(_ml.Transforms.AdaptNetwork(
                "Score", "Source", new AdaptationOptions { Epochs = 2, ValidationFraction = 0.2 }))
            .Fit(data);
        Assert.AreEqual(2, lines.Count(line => line.Contains("accuracy 0.", StringComparison.Ordinal)
            && line.Contains("of 2; best so far", StringComparison.Ordinal)), string.Join('\n', lines));
    }

    [TestMethod]
    [DataRow("HeadClassNames")]
    [DataRow("HeadFeatures")]
    [DataRow("HeadLearningRate")]
    [DataRow("ValidationFraction")]
    [DataRow("Patience")]
    public void An_option_that_is_out_of_range_is_named(string option)
    {
        AdaptationOptions options = option switch
        {
            "HeadClassNames" => new() { HeadClassNames = ["cat", "cat"] },
            "HeadFeatures" => new() { HeadFeatures = "relu" },
            "HeadLearningRate" => new() { HeadLearningRate = 0 },
            "ValidationFraction" => new() { ValidationFraction = 1 },
            _ => new() { Patience = 2 },
        };
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", options)).ParamName);
    }

    private IDataView Data(int count) => _ml.Data.LoadFromEnumerable(Rows(count));

    private static List<Row> Rows(int count)
    {
        var random = new Random(3);
        string[] names = ["grey", "dark", "bright"];
        float[] means = [0, -1, 1];
        return
        [
            .. Enumerable.Range(0, count).Select(i => new Row
            {
                Pixels = [.. Enumerable.Range(0, 192).Select(_ => means[i % 3] + 0.2f * (random.NextSingle() - 0.5f))],
                Mask = [.. Enumerable.Range(0, 64).Select(pixel => (byte)(pixel % 8 < 4 ? 0 : 1))],
                Class = names[i % 3],
            }),
        ];
    }

    /// <summary>A network that gives features and no classes.</summary>
    private static Network Features()
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 3, 8, 8);
        builder.Parameter("conv.weight", torch.randn([300, 3, 3, 3], generator: new torch.Generator(3)));
        builder.Node("Conv", "conv", ["input", "conv.weight"], ("pads", new long[] { 1, 1, 1, 1 }),
            ("strides", new long[] { 2, 2 }));
        builder.Node("Relu", "relu", ["conv"]);
        builder.Node("GlobalAveragePool", "pool", ["relu"]);
        return builder.Build(new GraphValue("pool", ElementType.Float32, [-1, 300, 1, 1]));
    }
}
