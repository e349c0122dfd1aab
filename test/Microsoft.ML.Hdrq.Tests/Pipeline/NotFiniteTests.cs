using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>
/// Numbers that are not finite, wherever they appear, end in one sentence that names the row, the image or the
/// parameter; only scores may be NaN, and of that row alone.
/// </summary>
[TestClass]
public sealed class NotFiniteTests
{
    private readonly MLContext _ml = new(1);

    [TestMethod]
    [DataRow(float.NaN, ScoringEngineKind.OnnxRuntime)]
    [DataRow(float.NaN, ScoringEngineKind.Torch)]
    [DataRow(float.PositiveInfinity, ScoringEngineKind.OnnxRuntime)]
    [DataRow(float.PositiveInfinity, ScoringEngineKind.Torch)]
    [DataRow(float.NegativeInfinity, ScoringEngineKind.OnnxRuntime)]
    public void The_scores_of_such_a_row_are_NaN_and_of_no_other(float value, ScoringEngineKind engine)
    {
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(6);
        using var transformer = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Engine = engine, ClassNames = Images.ClassNames })
            .Fit(Images.View(_ml, rows));
        var expected = Images.Scores(transformer.Transform(Images.View(_ml, rows)));
        rows[2].Pixels[77] = value;
        var scored = transformer.Transform(Images.View(_ml, rows));
        AssertScores(Images.Scores(scored));
        var labels = scored.GetColumn<uint>("PredictedLabel").ToArray();
        Assert.AreEqual(0u, labels[2]);
        Assert.IsTrue(labels.Where((_, row) => row != 2).All(label => label > 0));
        // Row by row, as prediction engines do; the rows themselves stay as they are.
        var mapper = ((ITransformer)transformer).GetRowToRowMapper(Images.View(_ml, rows).Schema);
        using (var cursor = Images.View(_ml, rows).GetRowCursor(Images.View(_ml, rows).Schema))
        using (var row = mapper.GetRow(cursor, mapper.OutputSchema))
        {
            var getter = row.GetGetter<VBuffer<float>>(mapper.OutputSchema["Score"]);
            var single = new List<float[]>();
            for (VBuffer<float> scores = default; cursor.MoveNext();)
            {
                getter(ref scores);
                single.Add([.. scores.DenseValues()]);
            }
            AssertScores([.. single]);
        }
        Assert.AreEqual(value, scored.GetColumn<VBuffer<float>>("Pixels").ElementAt(2).GetValues()[77]);

        void AssertScores(float[][] scores)
        {
            for (var row = 0; row < rows.Length; row++)
            {
                if (row == 2)
                    Assert.IsTrue(scores[row].All(float.IsNaN));
                else
                    Images.AssertClose([expected[row]], [scores[row]], 1e-5f);
            }
        }
    }

    /// <summary>Integers have no NaN: engines would make a number of it.</summary>
    [TestMethod]
    public void Quantized_networks_give_NaN_too()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        using var quantized = NetworkQuantizer.Quantize(
            network, torch.rand(8, 3, 8, 8), new RoundToNearestOptions { Placement = QuantizerPlacement.Integer });
        var rows = Images.Rows(3);
        rows[1].Pixels[0] = float.NaN;
        using var transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", quantized).Fit(Images.View(_ml, rows));
        var scores = Images.Scores(transformer.Transform(Images.View(_ml, rows)));
        Assert.IsTrue(scores[1].All(float.IsNaN));
        Assert.IsTrue(scores[0].Concat(scores[2]).All(float.IsFinite));
    }

    [TestMethod]
    public void Values_that_overflow_before_training_name_the_image()
    {
        using var network = TestNetworks.Classifier();
        using var large = Scaled(network, "bn.weight", 1e20f);
        // Products of these and pixels of 1e20 overflow.
        var rows = Images.Rows(12);
        rows[7].Pixels = [.. rows[7].Pixels.Select(pixel => 1e20f * pixel)];
        var images = Images.View(_ml, rows);
        var data = _ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(_ml.Transforms.ApplyNetwork("Score", "Pixels", large)).Fit(images).Transform(images);
        Assert.StartsWith(
            "The network gives scores that are not finite (NaN or infinite) for image 7 of those that were read: ",
            Refusal(data));
        // The scores are just finite, and their differences are not; random numbers are others on other CPUs.
        var view = Images.View(_ml, Images.Rows(12));
        using var transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(view);
        var factor = 3e38f / Images.Scores(transformer.Transform(view)).SelectMany(row => row).Max(Math.Abs);
        using var weighted = Scaled(network, "linear.weight", factor);
        using var huge = Scaled(weighted, "linear.bias", factor);
        Assert.StartsWith("The loss is Infinity before training: ", Refusal(Data(huge)));

        string Refusal(IDataView scored) => Assert.ThrowsExactly<InvalidOperationException>(() =>
            _ml.Transforms.AdaptNetwork("Adapted", "Score", new() { Epochs = 1 }).Fit(scored)).Message;
    }

    [TestMethod]
    public void A_weight_that_the_last_step_drives_away_is_named()
    {
        using var network = TestNetworks.Classifier();
        // One step: its loss is that of the weights before it.
        var message = Adapt(network,
            new()
            {
                Epochs = 1,
                BatchSize = 12,
                LearningRate = 1000,
                WeightDecay = 0,
                Momentum = 0,
                Optimizer = FineTuningOptimizer.Sgd
            }, huge: true);
        StringAssert.Matches(message, new("^Parameter '.*' is not finite after step 1 of 1: the learning rate, 1000, "));
    }

    [TestMethod]
    public void A_loss_that_is_not_finite_names_its_step()
    {
        using var network = TestNetworks.Classifier();
        var message = Adapt(network,
            new() { Epochs = 40, BatchSize = 4, LearningRate = 1000, Optimizer = FineTuningOptimizer.Sgd });
        StringAssert.Matches(message, new("(in step [0-9]+ of 120|after step [0-9]+ of 120|after epoch)"));
        StringAssert.Contains(message, "the learning rate, 1000, is too large for this network");
    }

    [TestMethod]
    public void Calibration_names_the_value_and_the_image()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        using var huge = Scaled(network, "conv.weight", 1e38f);
        var images = torch.rand(8, 3, 8, 8).mul(0.01f);
        images[5] = torch.full([3, 8, 8], 50f);
        foreach (QuantizationOptions options in new QuantizationOptions[] { new RoundToNearestOptions(),
            new HdrqOptions { Training = new() { Iterations = 2 } } })
        {
            var message = Assert.ThrowsExactly<InvalidOperationException>(
                () => NetworkQuantizer.Quantize(huge, images, options)).Message;
            StringAssert.Matches(message,
                new("^The network gives values '.*' that are not finite \\(NaN or infinite\\) for image 5 of those that were read: "));
        }
    }

    [TestMethod]
    public void A_normalization_that_cannot_be_folded_names_the_weight()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        using var negative = network.Clone();
        // The root of a negative number.
        negative.Parameters["bn.variance"][3] = -1f;
        var message = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkQuantizer.Quantize(negative, torch.rand(4, 3, 8, 8), new RoundToNearestOptions())).Message;
        StringAssert.StartsWith(message,
            "Parameter 'conv.weight' of the network with its normalizations folded holds a value that is not finite.");
        using var source = network.Clone();
        source.Parameters["linear.bias"][1] = float.NaN;
        message = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkQuantizer.Quantize(network, torch.rand(4, 3, 8, 8), new HdrqOptions { Source = source })).Message;
        StringAssert.StartsWith(message, "Parameter 'linear.bias' of the source network holds a value that is not finite.");
    }

    [TestMethod]
    public void Reconstruction_names_the_block()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        var options = new HdrqOptions
        {
            Training = new() { Iterations = 30, WeightLearningRate = 1000, ActivationScaleLearningRate = 1000 }
        };
        // Squares of such outputs overflow, while the outputs are numbers.
        using var large = Scaled(network, "conv.weight", 1e21f);
        var message = Assert.ThrowsExactly<InvalidOperationException>(
            () => NetworkQuantizer.Quantize(large, torch.rand(8, 3, 8, 8), options)).Message;
        StringAssert.Matches(message,
            new("^(The loss is .* in step [0-9]+ of block '.*'|Parameter '.*' is not finite after the last step of block '.*'): a learning rate of the training is too large"));
    }

    [TestMethod]
    public void Gram_matrices_name_the_layer()
    {
        using var scope = torch.NewDisposeScope();
        using var network = TestNetworks.Classifier();
        // Squares of the linear layer's inputs overflow.
        using var large = Scaled(network, "bn.weight", 1e25f);
        var data = Data(large);
        var options = new AdaptationOptions { Epochs = 1, LearningRate = 1e-30 };
        using var linear = Scaled(large, "linear.weight", 1e-25f);
        using var source = _ml.Transforms.ApplyNetwork("Score", "Pixels", linear).Fit(Rows());
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => _ml.Transforms
            .AdaptNetwork("Adapted", "Score",
                options with { Moments = new() { Kind = MomentsKind.LowRank, MinImages = 12 } })
                .Fit(source.Transform(Rows()))).Message;
        StringAssert.StartsWith(message, "The inputs of layer 'scores' are not finite, or too large for their Gram matrix.");
        _ml.Transforms.AdaptNetwork("Adapted", "Score", options with { Moments = SentMoments.Nothing })
            .Fit(source.Transform(Rows())).Dispose();
    }

    [TestMethod]
    public void A_merged_statistic_that_overflows_is_named()
    {
        using var one = TestNetworks.Classifier();
        using var other = one.Clone();
        // The variance of the mixture is the square of half their distance.
        one.Parameters["bn.mean"][0] = 1e25f;
        other.Parameters["bn.mean"][0] = -1e25f;
        var message = Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([one, other])).Message;
        StringAssert.StartsWith(message, "Parameter 'bn.variance' of the merged network holds a value that is not finite.");
        other.Parameters["linear.weight"][0, 0] = float.NegativeInfinity;
        message = Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([one, other])).Message;
        Assert.AreEqual("Parameter 'linear.weight' of network 1 holds a value that is not finite.", message);
    }

    [TestMethod]
    public void Analyses_name_the_weight_or_the_image()
    {
        using var network = TestNetworks.Classifier();
        using var broken = network.Clone();
        broken.Parameters["linear.bias"][2] = float.NaN;
        using var huge = Scaled(network, "linear.weight", 1e38f);
        var (weights, values) = (Data(broken), Data(huge));
        (string Name, Action<IDataView> Analyze)[] analyses =
        [
            ("curvature", data => _ml.Model.MeasureCurvature(data, "Score", new() { Probes = 1, PowerIterations = 0 })),
            ("comparison", data => _ml.Model.CompareNetworks(
                data, ["Score", "Other"], new() { Probes = 1, PowerIterations = 0, Steps = 1 })),
            ("interpolation", data => _ml.Model.InterpolateNetworks(data, ["Score", "Other"], new() { Steps = 1 })),
        ];
        using var same = _ml.Transforms.ApplyNetwork("Other", "Pixels", network).Fit(weights);
        foreach (var (name, analyze) in analyses)
        {
            var message = Assert.ThrowsExactly<ArgumentException>(() => analyze(same.Transform(weights)), name).Message;
            StringAssert.StartsWith(message,
                "Parameter 'linear.bias' of the network of column 'Score' holds a value that is not finite.", name);
            message = Assert.ThrowsExactly<InvalidOperationException>(() => analyze(same.Transform(values)), name).Message;
            StringAssert.Matches(message, name == "curvature"
                ? new("^The second derivative of the loss by weight '.*' is not finite: ")
                : new(
                    "^The network gives losses that are not finite \\(NaN or infinite\\) for image [0-9]+ of those that were read: "), name);
        }
    }

    [TestMethod]
    public void Weights_of_a_merge_are_not_searched_by_NaN()
    {
        using var network = TestNetworks.Classifier();
        using var huge = Scaled(network, "linear.weight", 1e38f);
        foreach (var criterion in Enum.GetValues<MergeCriterion>())
        {
            var message = Assert.ThrowsExactly<InvalidOperationException>(() => _ml.Transforms
                .MergeNetworks("Merged", "Pixels", [huge, huge], new MergeOptions(), search: new() { Criterion = criterion })
                .Fit(Rows())).Message;
            StringAssert.Matches(message, new("^The network gives (scores|losses) that are not finite"));
        }
    }

    [TestMethod]
    public void Evaluation_by_domain_names_the_row()
    {
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(9);
        rows[4].Pixels[3] = float.NaN;
        var data = _ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(_ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = Images.ClassNames }))
            .Fit(Images.View(_ml, rows)).Transform(Images.View(_ml, rows));
        var message = Assert.ThrowsExactly<InvalidOperationException>(
            () => _ml.MulticlassClassification.EvaluateByDomain(data, "Name")).Message;
        StringAssert.StartsWith(message, "Row 4 of column 'Score' has scores that are not finite (NaN or infinite)");
    }

    [TestMethod]
    public void Vectors_of_any_length_are_looked_at_to_their_end()
    {
        foreach (var length in new[] { 1, 3, 8, 17, 64 })
        {
            var values = Enumerable.Repeat(float.MaxValue, length).ToArray();
            Assert.IsTrue(FiniteCheck.AreFinite(values));
            for (var i = 0; i < length; i++)
            {
                foreach (var bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
                {
                    values[i] = bad;
                    Assert.IsFalse(FiniteCheck.AreFinite(values), $"{bad} at {i} of {length}");
                    values[i] = -0f;
                }
            }
        }
        Assert.IsTrue(FiniteCheck.AreFinite([]));
    }

    private string Adapt(Network network, AdaptationOptions options, bool huge = false)
    {
        // Large gradients: those of the linear layer are its inputs.
        using var scaled = Scaled(network, "bn.weight", huge ? 1e36f : 1);
        using var balanced = Scaled(scaled, "linear.weight", huge ? 1e-36f : 1);
        using var source = _ml.Transforms.ApplyNetwork("Score", "Pixels", balanced).Fit(Rows());
        return Assert.ThrowsExactly<InvalidOperationException>(
            () => _ml.Transforms.AdaptNetwork("Adapted", "Score", options).Fit(source.Transform(Rows()))).Message;
    }

    /// <summary>Data with the scores of a network.</summary>
    private IDataView Data(Network network) =>
        _ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(Rows()).Transform(Rows());

    private IDataView Rows()
    {
        var rows = Images.View(_ml, Images.Rows(12));
        return _ml.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
    }

    private static Network Scaled(Network network, string parameter, float factor)
    {
        using var noGradients = torch.no_grad();
        var scaled = network.Clone();
        scaled.Parameters[parameter].mul_(factor);
        return scaled;
    }
}
