using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using TorchSharp;
using KeyOrdinality = Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>
/// Labels are matched to classes by name. A row's pixels are 1 where the class of the row is, so a network of the
/// identity gives the right class.
/// </summary>
[TestClass]
public sealed class LabelsByNameTests
{
    private static readonly string[] _names = ["ant", "bee", "cat"];

    private static readonly AdaptationOptions _training =
        new() { Epochs = 20, BatchSize = 4, LearningRate = 0.1, WeightDecay = 0 };

    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3)]
        public float[] Pixels { get; set; } = [];

        public string Class { get; set; } = "";

        public string Domain { get; set; } = "all";
    }

    [TestMethod]
    [DataRow("bee", "cat")]
    [DataRow("cat", "ant", "bee")]
    public void A_site_trains_the_outputs_of_its_classes(params string[] classes)
    {
        using var network = Linear(0);
        var data = Keyed(Data(classes));
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = _names }).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork("Score", "Source", _training).Fit(source.Transform(data));
        var scored = adapted.Transform(source.Transform(data));
        CollectionAssert.AreEqual(Texts(scored, "Class"),
            Texts(_ml.Transforms.Conversion.MapKeyToValue("Name", "PredictedLabel").Fit(scored).Transform(scored),
                "Name"));

        // ML.NET itself compares numbers of keys, which are those of the classes if MapValueToKey is given their names.
        var names = _ml.Data.LoadFromEnumerable(_names.Select(name => new Named { Name = name }));
        var named = _ml.Transforms.Conversion.MapValueToKey("Label", "Class", keyData: names).Fit(scored).Transform(scored);
        Assert.AreEqual(1, _ml.MulticlassClassification.Evaluate(named).MicroAccuracy);
        Assert.AreEqual(1, _ml.MulticlassClassification.EvaluateByDomain(named).HarmonicMean);
        Assert.AreEqual(1, _ml.MulticlassClassification.EvaluateByDomain(scored).HarmonicMean);
    }

    [TestMethod]
    public void A_class_that_the_network_does_not_have_is_named_before_training()
    {
        using var network = Linear(0);
        var data = Keyed(Data("ant", "dog"));
        using var source = _ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = _names }).Fit(data);
        var scored = source.Transform(data);
        var options = _training with { Progress = new Report<FineTuningProgress>(_ => Assert.Fail("It trained.")) };
        foreach (var action in new Action[]
        {
            () => _ml.Transforms.AdaptNetwork("Adapted", "Score", options).Fit(scored),
            () => _ml.Model.MeasureCurvature(scored, "Score"),
            () => _ml.Transforms.MergeNetworks(
                "Merged", ["Score", "Score"], new(), new MergeWeightSearch { Criterion = MergeCriterion.Loss })
                .Fit(scored),
            () => _ml.MulticlassClassification.EvaluateByDomain(scored),
        })
        {
            var message = Assert.ThrowsExactly<InvalidOperationException>(action).Message;
            Assert.AreEqual(
                "Row 1 of column 'Label' is of class 'dog', which is not among the network's 3 classes ('ant', 'bee', 'cat').", message);
        }
        // A class of the key that no row is of does no harm.
        using var adapted = _ml.Transforms.AdaptNetwork(
            "Adapted", "Score", _training with { Epochs = 1 }, new() { DomainColumnName = "Class", Domain = "ant" })
            .Fit(scored);
        CollectionAssert.AreEqual(_names, adapted.ClassNames.ToArray());
    }

    [TestMethod]
    public void A_network_without_names_takes_those_of_the_labels_if_they_are_as_many()
    {
        using var network = Linear(0);
        var data = Keyed(Data("cat", "ant", "bee"));
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork("Score", "Source", _training).Fit(source.Transform(data));
        CollectionAssert.AreEqual(new[] { "cat", "ant", "bee" }, adapted.Network.ClassNames!.ToArray());
        var scored = adapted.Transform(source.Transform(data));
        CollectionAssert.AreEqual(Texts(scored, "Class"),
            Texts(_ml.Transforms.Conversion.MapKeyToValue("Name", "PredictedLabel").Fit(scored).Transform(scored),
                "Name"));
        // A site that counts them otherwise has another network.
        var others = Keyed(Data("cat", "bee", "ant"));
        using var other = _ml.Transforms.AdaptNetwork("Score", "Source", _training).Fit(source.Transform(others));
        Assert.Contains("the same names are in another order",
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([adapted.Network, other.Network])).Message);
    }

    [TestMethod]
    public void A_network_without_names_does_not_guess_which_classes_the_labels_are()
    {
        using var network = Linear(0);
        var data = Keyed(Data("bee", "cat"));
        using var source = _ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        var scored = source.Transform(data);
        foreach (var action in new Action[]
        {
            () => _ml.Transforms.AdaptNetwork("Adapted", "Score", _training).Fit(scored),
            () => _ml.Model.CompareNetworks(scored, ["Score"]),
            () => _ml.MulticlassClassification.EvaluateByDomain(scored),
        })
        {
            var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).Message;
            foreach (var part in new[] { "'Label'", "'bee', 'cat'", "3 classes", "ClassNames" })
                Assert.Contains(part, message);
        }
    }

    [TestMethod]
    public void Labels_that_are_the_numbers_of_all_classes_are_matched_as_numbers()
    {
        using var network = Linear(0);
        var rows = Data("2", "0", "1");
        foreach (var row in rows)
            row.Pixels = [.. Enumerable.Range(0, 3).Select(place => row.Class == $"{place}" ? 1f : 0)];
        var data = Keyed(rows);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork("Score", "Source", _training).Fit(source.Transform(data));
        var scored = adapted.Transform(source.Transform(data));
        CollectionAssert.AreEqual(Texts(scored, "Class"),
            Texts(_ml.Transforms.Conversion.MapKeyToValue("Name", "PredictedLabel").Fit(scored).Transform(scored),
                "Name"));
        Assert.AreEqual(1, _ml.MulticlassClassification.EvaluateByDomain(scored).HarmonicMean);
    }

    [TestMethod]
    public void Analyses_and_searches_match_labels_by_name()
    {
        using var right = Linear(9);
        using var wrong = Linear(-9);
        var data = Keyed(Data("cat", "bee"));
        using var first = _ml.Transforms.ApplyNetwork("Right", "Pixels", right, new() { ClassNames = _names }).Fit(data);
        using var second = _ml.Transforms.ApplyNetwork("Wrong", "Pixels", wrong, new() { ClassNames = _names }).Fit(data);
        var scored = second.Transform(first.Transform(data));
        var comparison = _ml.Model.CompareNetworks(scored, ["Right", "Wrong"]);
        CollectionAssert.AreEqual(new[] { 1.0, 0 }, comparison.Networks.Select(network => network.Accuracy).ToArray());
        // The cross-entropy of 9 among 9, 0, 0.
        Assert.AreEqual(Math.Log(1 + 2 * Math.Exp(-9)), comparison.Networks[0].Loss, 1e-6);
        using var merged = _ml.Transforms.MergeNetworks(
            "Score", ["Wrong", "Right"], new(), new MergeWeightSearch { Criterion = MergeCriterion.Loss }).Fit(scored);
        Assert.AreEqual(9, merged.Network.Parameters["weight"].data<float>()[0], 1e-5);
        using var others = _ml.Transforms.ApplyNetwork(
            "Others", "Pixels", right, new() { ClassNames = ["bee", "ant", "cat"] }).Fit(data);
        var both = others.Transform(scored);
        Assert.Contains("class 0 is 'ant' and 'bee'",
            Assert.ThrowsExactly<ArgumentException>(
                () => _ml.Model.CompareNetworks(both, ["Right", "Others"])).Message);
    }

    [TestMethod]
    public void Keys_without_text_values_are_the_numbers_of_classes()
    {
        using var network = Linear(0);
        var data = _ml.Data.LoadFromEnumerable(
            Enumerable.Range(0, 12).Select(
                i => new NumberedRow
                {
                    Pixels = [.. Enumerable.Range(0, 3).Select(place => place == i % 3 ? 1f : 0)],
                    Label = (uint)(i % 3)
                }));
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = _names }).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork("Score", "Source", _training).Fit(source.Transform(data));
        var scored = adapted.Transform(source.Transform(data));
        CollectionAssert.AreEqual(scored.GetColumn<uint>("Label").ToArray(),
            scored.GetColumn<uint>("PredictedLabel").ToArray());
    }

    private sealed class Named
    {
        public string Name { get; set; } = "";
    }

    private sealed class NumberedRow
    {
        [VectorType(3)]
        public float[] Pixels { get; set; } = [];

        [KeyType(3)]
        public uint Label { get; set; }
    }

    /// <summary>Twelve rows, their classes by turns.</summary>
    private static Row[] Data(params string[] classes) =>
    [
        .. Enumerable.Range(0, 12).Select(i => classes[i % classes.Length])
            .Select(name => new Row { Class = name, Pixels = [.. _names.Select(other => other == name ? 1f : 0)] }),
    ];

    /// <summary>The rows with their classes as keys, numbered as they come.</summary>
    private IDataView Keyed(Row[] rows)
    {
        var data = _ml.Data.LoadFromEnumerable(rows);
        return _ml.Transforms.Conversion.MapValueToKey("Label", "Class", keyOrdinality: KeyOrdinality.ByOccurrence)
            .Fit(data).Transform(data);
    }

    private static string[] Texts(IDataView data, string column) => [.. data.GetColumn<string>(column)];

    /// <summary>Scores that are the pixels times a factor.</summary>
    private static Network Linear(float factor)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3);
        builder.Parameter("weight", torch.eye(3).mul(factor));
        builder.Node("Gemm", "y", ["x", "weight"], ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 3]));
    }
}
