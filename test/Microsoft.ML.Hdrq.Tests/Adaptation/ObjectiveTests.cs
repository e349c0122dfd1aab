using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Adaptation;

/// <summary>What each method of adapting learns, against calculations by hand.</summary>
[TestClass]
public sealed class ObjectiveTests
{
    private static readonly float _ln2 = MathF.Log(2);
    private static readonly float _ln3 = MathF.Log(3);

    /// <summary>Logits of the probabilities 1/4 and 3/4, and of 1/2 and 1/2.</summary>
    private static torch.Tensor Scores() => torch.tensor(new float[,] { { 0, _ln3 }, { _ln2, _ln2 } });

    [TestMethod]
    public void Losses_without_labels_are_those_computed_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        // (1/4 ln 4 + 3/4 ln 4/3 + ln 2) / 2
        Assert.AreEqual(0.6277412, UnlabelledLosses.MeanEntropy(Scores()).item<float>(), 1e-6);
        // The mean probabilities are 3/8 and 5/8: 3/8 ln 8/3 + 5/8 ln 8/5
        Assert.AreEqual(0.6615632, UnlabelledLosses.Diversity(Scores()).item<float>(), 1e-6);
        // The probabilities wanted are 1 and 0, and 1/4 and 3/4: (ln 4 + ln 2) / 2
        var wanted = torch.tensor(new float[,] { { 1, 0 }, { 0.25f, 0.75f } });
        Assert.AreEqual(1.0397208, UnlabelledLosses.SoftCrossEntropy(Scores(), wanted).item<float>(), 1e-6);
    }

    [TestMethod]
    public void Pixels_count_as_images_do()
    {
        using var scope = torch.NewDisposeScope();
        // One image of two pixels: [images, classes, height, width].
        var pixels = Scores().t().reshape(1, 2, 1, 2);
        Assert.AreEqual(0.6277412, UnlabelledLosses.MeanEntropy(pixels).item<float>(), 1e-6);
        Assert.AreEqual(0.6615632, UnlabelledLosses.Diversity(pixels).item<float>(), 1e-6);
    }

    [TestMethod]
    public void Shot_adds_its_labels_to_information()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Linear(torch.eye(2));
        using var generator = new torch.Generator(1);
        var batch = new TrainingBatch(torch.tensor(new long[] { 0, 1 }), Scores(), null);

        using var information = new InformationObjective(network, null, 8);
        information.StartEpoch(network, default);
        Assert.IsNull(information.Labels);
        Assert.AreEqual(
            -0.0338220, information.Loss(network, batch, ForwardMode.Gradient, generator)!.item<float>(), 1e-6);

        // The features are the scores, with the directions (0, 1) and (1, 1) / root 2. The centroids are along
        // (0.354, 0.604) and (0.354, 1.104), so that the first image is nearer to the second class, and the other to
        // the first; these alone are the next centroids. The cross-entropy is (ln 4/3 + ln 2) / 2 = 0.4904146.
        using var shot = new InformationObjective(network, Scores(), 1);
        shot.StartEpoch(network, default);
        CollectionAssert.AreEqual(new long[] { 1, 0 }, shot.Labels!.data<long>().ToArray());
        Assert.AreEqual(
            -0.0338220 + 0.3 * 0.4904146,
            shot.Loss(network, batch with { Labels = shot.Labels }, ForwardMode.Gradient, generator)!.item<float>(),
            1e-6);
        Assert.IsTrue(shot.Trains("weight"));
        Assert.IsFalse(shot.Trains("head"));
    }

    [TestMethod]
    public void One_image_is_not_learned_from_where_a_mean_of_several_is_needed()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Linear(torch.eye(2));
        using var generator = new torch.Generator(1);
        var batch = new TrainingBatch(torch.tensor(new long[] { 0 }), Scores().narrow(0, 0, 1), null);
        using var information = new InformationObjective(network, null, 8);
        Assert.IsNull(information.Loss(network, batch, ForwardMode.Gradient, generator));
    }

    [TestMethod]
    public void Labels_are_those_of_the_nearest_centroid_found_twice()
    {
        using var scope = torch.NewDisposeScope();
        // Directions in degrees, of any length. The first centroids, weighted by the probabilities, are at 31 and 36
        // degrees: they part the directions between 30 and 35. Those of the labels that follow from them are at 17 and
        // 62 degrees, and part them between 35 and 90. A class of no probability has no centroid.
        double[] degrees = [15, 5, 30, 35, 90];
        float[] first = [0.7f, 0.3f, 0.2f, 0.8f, 0.3f];
        var features = torch.tensor(degrees
            .SelectMany((angle, i) => new[] { Math.Cos(angle * Math.PI / 180), Math.Sin(angle * Math.PI / 180) }
                .Select(value => (float)(value * (i + 1))))
            .ToArray()).reshape(5, 2);
        var probabilities = torch.tensor(
            first.SelectMany(share => new[] { share, 1 - share, 0 }).ToArray()).reshape(5, 3);
        CollectionAssert.AreEqual(
            new long[] { 0, 0, 0, 0, 1 }, PseudoLabels.Find(features, probabilities).data<long>().ToArray());
        // The most probable classes are others.
        CollectionAssert.AreEqual(new long[] { 0, 1, 1, 0, 1 }, probabilities.argmax(1).data<long>().ToArray());
    }

    [TestMethod]
    public void A_student_learns_the_probabilities_of_its_teacher()
    {
        using var scope = torch.NewDisposeScope();
        using var student = Linear(torch.eye(2));
        // It swaps the scores, so that it gives the probabilities 3/4 and 1/4, and 1/2 and 1/2.
        using var teacher = Linear(torch.tensor(new float[,] { { 0, 1 }, { 1, 0 } }));
        using var generator = new torch.Generator(1);
        using var objective = new TeacherObjective(teacher);
        var loss = objective.Loss(
            student, new(torch.tensor(new long[] { 0, 1 }), Scores(), null), ForwardMode.Gradient, generator)!;
        // (3/4 ln 4 + 1/4 ln 4/3 + ln 2) / 2
        Assert.AreEqual(0.9023944, loss.item<float>(), 1e-6);
    }

    [TestMethod]
    public void Self_training_asks_each_class_for_its_surest_half()
    {
        using var scope = torch.NewDisposeScope();
        var classes = torch.tensor(new long[] { 0, 0, 0, 1, 1 });
        var thresholds = SelfTrainingObjective.Thresholds(
            classes, torch.tensor(new[] { 0.9f, 0.5f, 0.7f, 0.4f, 0.6f }), 3);
        var values = thresholds.data<float>().ToArray();
        Assert.AreEqual(0.7, values[0], 1e-6);
        Assert.AreEqual(0.5, values[1], 1e-6);
        Assert.AreEqual(0, values[2]);
    }

    [TestMethod]
    public void Self_training_learns_what_its_teacher_is_sure_of()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Linear(torch.eye(2));
        using var generator = new torch.Generator(1);
        // Probabilities of class 1: 3/4 and 4/5; the surer one is learned: -ln 4/5.
        var images = torch.tensor(new float[,] { { 0, _ln3 }, { 0, MathF.Log(4) } });
        using var objective = new SelfTrainingObjective(network, images, new() { BatchSize = 1 });
        objective.StartEpoch(network, default);
        var loss = objective.Loss(
            network, new(torch.tensor(new long[] { 0, 1 }), images, null), ForwardMode.Gradient, generator)!;
        Assert.AreEqual(Math.Log(5 / 4.0), loss.item<float>(), 1e-6);
        // Of the first one alone nothing is learned.
        Assert.IsNull(objective.Loss(
            network, new(torch.tensor(new long[] { 0 }), images.narrow(0, 0, 1), null), ForwardMode.Gradient,
            generator));
    }

    [TestMethod]
    public void The_teacher_of_self_training_is_the_mean_of_the_first_steps()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        using var network = Linear(torch.eye(2));
        using var objective = new SelfTrainingObjective(network, Scores(), new());
        foreach (var value in new[] { 2.0, 4, 9 })
        {
            using var step = Linear(torch.eye(2).mul(value));
            objective.EndStep(step);
        }
        // 2, then (2 + 4) / 2 = 3, then 2/3 of 3 and 1/3 of 9.
        Assert.AreEqual(5, objective.Teacher.Parameters["weight"][0, 0].item<float>(), 1e-6);
    }

    [TestMethod]
    public void What_is_not_there_to_be_trained_is_missed()
    {
        using var network = Pipeline.TestNetworks.Classifier();
        using var objective = new EntropyObjective(network.Graph);
        CollectionAssert.AreEqual(
            new[] { "bn.weight", "bn.bias" },
            network.Graph.Parameters.Select(parameter => parameter.Name).Where(objective.Trains).ToArray());
        using var layer = Pipeline.TestNetworks.Segmenter();
        Assert.Contains("nothing but a head", Assert.ThrowsExactly<ArgumentException>(
            () => InformationObjective.Check(layer.Graph, findsLabels: false)).Message);
        Assert.Contains("normalizations", Assert.ThrowsExactly<ArgumentException>(
            () => EntropyObjective.Check(layer.Graph)).Message);
    }

    [TestMethod]
    public void The_distance_to_the_first_weights_is_part_of_the_loss()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Linear(torch.eye(2));
        var labels = torch.tensor(new long[] { 0, 1 });
        var (free, held) = (Moved(0), Moved(1));
        Assert.IsGreaterThan(0.1, free);
        Assert.IsLessThan(free / 4, held);

        float Moved(double weight)
        {
            using var trained = FineTuning.Train(
                network, torch.eye(2), labels,
                new() { Epochs = 20, LearningRate = 0.01, WeightDecay = 0, DistanceWeight = weight }, 255, 1, default);
            return trained.Parameters["weight"].sub(network.Parameters["weight"]).norm().item<float>();
        }
    }

    [TestMethod]
    public void Scores_without_labels_are_those_computed_by_hand()
    {
        using var scope = torch.NewDisposeScope();
        var probabilities = torch.tensor(new float[,] { { 1, 0 }, { 1, 0 }, { 0, 1 } });
        var source = torch.tensor(new[,] { { 0.9f, 0.1f }, { 0.4f, 0.6f }, { 0.2f, 0.8f } });
        var scores = UnlabelledScores.Of(probabilities, source);
        Assert.AreEqual(0, scores.MeanEntropy, 1e-6);
        // 2/3 ln 3/2 + 1/3 ln 3
        Assert.AreEqual(0.6365142, scores.ClassEntropy, 1e-6);
        Assert.AreEqual(0.6365142, scores.Information, 1e-6);
        // The first two have only each other near them, the third has two as far: ln 2 / 3.
        Assert.AreEqual(0.2310491, scores.NeighborhoodDensity, 1e-5);
        Assert.AreEqual(2 / 3.0, scores.SourceAgreement, 1e-12);
        Assert.AreEqual((0.3250830 + 0.6730117 + 0.5004024) / 3, UnlabelledScores.Of(source, source).MeanEntropy, 1e-6);
    }

    /// <summary>[N, 2] to [N, 2] by a matrix, which gives the features, and a head that passes them on.</summary>
    private static Network Linear(torch.Tensor weight)
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 2);
        builder.Parameter("weight", weight.clone());
        builder.Parameter("head", torch.eye(2));
        builder.Node("Gemm", "features", ["input", "weight"], ("transB", 1L));
        builder.Node("Gemm", "scores", ["features", "head"], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2]));
    }
}
