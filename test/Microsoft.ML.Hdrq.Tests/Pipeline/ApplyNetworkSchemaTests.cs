using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ApplyNetworkSchemaTests
{
    [TestMethod]
    public void AddsScoreAndPredictedLabel()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(2));
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { ClassNames = Images.ClassNames }).Fit(data);

        var schema = transformer.GetOutputSchema(data.Schema);
        CollectionAssert.AreEqual(data.Schema.Select(column => column.Name).Concat(["Score", "PredictedLabel"])
            .ToArray(), schema.Select(column => column.Name).ToArray());
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, TestNetworks.Classes), schema["Score"].Type);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), TestNetworks.Classes), schema["PredictedLabel"].Type);
        CollectionAssert.AreEqual(Images.ClassNames, Texts(schema["Score"], "SlotNames"));
        CollectionAssert.AreEqual(Images.ClassNames, Texts(schema["Score"], "TrainingLabelValues"));
        CollectionAssert.AreEqual(Images.ClassNames, Texts(schema["PredictedLabel"], "KeyValues"));
        Assert.AreEqual("MulticlassClassification", Text(schema["Score"], "ScoreColumnKind"));
        Assert.AreEqual("Score", Text(schema["Score"], "ScoreValueKind"));
        Assert.AreEqual("PredictedLabel", Text(schema["PredictedLabel"], "ScoreValueKind"));
        Assert.AreEqual(SetId(schema["Score"]), SetId(schema["PredictedLabel"]));
        CollectionAssert.AreEqual(Images.ClassNames, transformer.ClassNames.ToArray());
    }

    [TestMethod]
    public void OfSeveralOutputsTheScoresAreNamed()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.TwoOutputs();
        var data = Images.View(ml, Images.Rows(2, pixels: 3), 3);
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network));
        Assert.Contains("2 outputs ('boxes', 'scores')", error.Message);
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Output = "labels" }));
        Assert.Contains("'labels'", error.Message);

        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Output = "scores", ClassNames = ["a", "b", "c"] }).Fit(data);
        Assert.AreEqual("scores", transformer.Network.Graph.Outputs.Single().Name);
        Assert.HasCount(1, transformer.Network.Graph.Nodes);
        var pixels = data.GetColumn<float[]>("Pixels").First();
        var scores = transformer.Transform(data).GetColumn<float[]>("Score").First();
        CollectionAssert.AreEqual(pixels.Select(pixel => -pixel).ToArray(), scores);
        using var boxes = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Output = "boxes" }).Fit(data);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 6),
            boxes.GetOutputSchema(data.Schema)["Score"].Type);
    }

    [TestMethod]
    public void ClassesWithoutNamesAreNumbered()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(2));
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { PredictedLabelColumnName = "Class" }).Fit(data);

        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3", "4" },
            Texts(transformer.GetOutputSchema(data.Schema)["Class"], "KeyValues"));
    }

    [TestMethod]
    public void NoPredictedLabelWhereNoneIsAskedFor()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(2));
        var estimator = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { PredictedLabelColumnName = null });
        using var transformer = estimator.Fit(data);

        Assert.AreEqual(data.Schema.Count + 1, transformer.GetOutputSchema(data.Schema).Count);
        Assert.IsNull(transformer.PredictedLabelColumnName);
        Assert.IsFalse(estimator.GetOutputSchema(Shape(ml)).Any(column => column.Name == "PredictedLabel"));
    }

    [TestMethod]
    public void ClassNamesMakeAClassifierOfANetworkWithoutADeclaredOutput()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Identity(3, declareOutput: false);
        var data = Images.View(ml, Images.Rows(2, pixels: 3), 3);
        using var unnamed = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        using var named = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = ["a", "b", "c"] })
            .Fit(data);

        Assert.IsNull(unnamed.PredictedLabelColumnName);
        Assert.AreEqual("PredictedLabel", named.PredictedLabelColumnName);
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = ["a", "b"] }).Fit(data));
        Assert.Contains("ClassNames has 2 names, and the network has 3 classes.", error.Message);
    }

    [TestMethod]
    public void ShapeOfTheSchemaIsThatOfTheData()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(2));
        var estimator = ml.Transforms.ApplyNetwork("Score", "Pixels", network);
        using var transformer = estimator.Fit(data);

        var shape = estimator.GetOutputSchema(Shape(ml));
        var scored = transformer.GetOutputSchema(data.Schema);
        CollectionAssert.AreEquivalent(
            scored.Select(column => column.Name).ToArray(), shape.Select(column => column.Name).ToArray());
        var score = shape.Single(column => column.Name == "Score");
        Assert.AreEqual(SchemaShape.Column.VectorKind.Vector, score.Kind);
        Assert.AreEqual(NumberDataViewType.Single, score.ItemType);
        Assert.IsFalse(score.IsKey);
        Assert.IsTrue(score.Annotations.Any(annotation => annotation.Name == "SlotNames"));
        var label = shape.Single(column => column.Name == "PredictedLabel");
        Assert.AreEqual(SchemaShape.Column.VectorKind.Scalar, label.Kind);
        Assert.IsTrue(label.IsKey);
        Assert.IsTrue(label.Annotations.Any(annotation => annotation.Name == "KeyValues"));
    }

    [TestMethod]
    [DataRow("Name", "known-size vector of Single, got ")]
    [DataRow("Nothing", "Could not find input column 'Nothing'")]
    public void ShapesThatDoNotFitAreRefused(string column, string expected)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", column, network).GetOutputSchema(Shape(ml)));
        Assert.Contains(expected, error.Message);
    }

    [TestMethod]
    [DataRow(new[] { 3, 8, 7 },
        "Schema mismatch for input column 'Pixels': expected known-size vector of Single with sizes [3, 8, 8], got Vector<Single, 3, 8, 7>")]
    [DataRow(new[] { 8, 8, 3 },
        "Schema mismatch for input column 'Pixels': expected known-size vector of Single with sizes [3, 8, 8], got Vector<Single, 8, 8, 3>")]
    [DataRow(
        new[] { 191 },
        "Schema mismatch for input column 'Pixels': expected known-size vector of Single with sizes [3, 8, 8], got Vector<Single, 191>")]
    [DataRow(
        new[] { 0 },
        "Schema mismatch for input column 'Pixels': expected known-size vector of Single with sizes [3, 8, 8], got Vector<Single>")]
    public void ColumnsOfOtherSizesAreRefused(int[] sizes, string expected)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(1), sizes);
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data));
        Assert.Contains(expected, error.Message);

        var fitting = Images.View(ml, Images.Rows(1));
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(fitting);
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => transformer.Transform(data));
        Assert.Contains(expected, error.Message);
    }

    [TestMethod]
    public void OtherColumnsAreRefused()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(1));
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Number", network).Fit(data));
        Assert.Contains(
            "Schema mismatch for input column 'Number': expected known-size vector of Single with sizes [3, 8, 8], got Int32", error.Message);
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Nothing", network).Fit(data));
        Assert.Contains("Could not find input column 'Nothing'", error.Message);
        using var segmenter = TestNetworks.Segmenter();
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", segmenter)
            .Fit(Images.View(ml, Images.Rows(1), TestNetworks.PixelCount)));
        Assert.Contains("with sizes [3, any, any], got Vector<Single, 192>", error.Message);
    }

    [TestMethod]
    public void NetworksOfSeveralInputsAreRefused()
    {
        using var network = TestNetworks.WithTwoInputs();
        var error = Assert.ThrowsExactly<ArgumentException>(
            () => new MLContext(1).Transforms.ApplyNetwork("Score", "Pixels", network));
        Assert.Contains("2 inputs", error.Message);
    }

    public static IEnumerable<(ScoringOptions Options, string Name)> BadOptions =>
    [
        (new() { BatchSize = 0 }, "BatchSize"),
        (new() { BatchSize = -3 }, "BatchSize"),
        (new() { ClassNames = [] }, "ClassNames"),
        (new() { ClassNames = ["a", "b", "c", "d"] }, "ClassNames"),
        (new() { ClassNames = ["a", "b", "c", "d", "a"] }, "ClassNames"),
        (new() { ClassNames = ["a", "b", "c", "d", ""] }, "ClassNames"),
        (new() { ClassNames = ["a", "b", "c", "d", null!] }, "ClassNames"),
        (new() { PredictedLabelColumnName = "" }, "PredictedLabelColumnName"),
        (new() { PredictedLabelColumnName = "Score" }, "PredictedLabelColumnName"),
        (new() { Normalization = new([0.5f], [0.5f]) }, "Normalization"),
        (new() { GpuDeviceId = -1 }, "GpuDeviceId"),
    ];

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void OptionsOutOfRangeAreRefusedByName(ScoringOptions options, string name)
    {
        using var network = TestNetworks.Classifier();
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => new MLContext(1).Transforms.ApplyNetwork("Score", "Pixels", network, options));
        Assert.AreEqual(name, error.ParamName);
        Assert.Contains(name, error.Message);
    }

    [TestMethod]
    [DataRow(new[] { 0.5f, float.NaN }, new[] { 1f, 1f }, "mean")]
    [DataRow(new float[0], new float[0], "mean")]
    [DataRow(new[] { 0.5f, 1f }, new[] { 1f, 0f }, "standardDeviation")]
    [DataRow(new[] { 0.5f, 1f }, new[] { 1f, -1f }, "standardDeviation")]
    [DataRow(new[] { 0.5f, 1f }, new[] { 1f, float.PositiveInfinity }, "standardDeviation")]
    [DataRow(new[] { 0.5f, 1f }, new[] { 1f }, "standardDeviation")]
    public void NormalizationsOutOfRangeAreRefused(float[] mean, float[] deviation, string name) =>
        Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => new ChannelNormalization(mean, deviation)).ParamName);

    [TestMethod]
    public void OptionsAreCopied()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var names = Images.ClassNames.ToList();
        var options = new ScoringOptions { ClassNames = names };
        var estimator = ml.Transforms.ApplyNetwork("Score", "Pixels", network, options);
        names[0] = "changed";
        using var transformer = estimator.Fit(Images.View(ml, Images.Rows(1)));

        CollectionAssert.AreEqual(Images.ClassNames, transformer.ClassNames.ToArray());
        Assert.AreSame(names, options.ClassNames);
        Assert.AreEqual(32, options.BatchSize);
        Assert.AreEqual("PredictedLabel", options.PredictedLabelColumnName);
        Assert.IsNull(options.Normalization);
        Assert.IsNull(options.GpuDeviceId);
        Assert.IsNull(options.FallbackToCpu);
        Assert.IsFalse(options.Softmax);
    }

    [TestMethod]
    public void ScoreColumnCarriesItsNetwork()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(2));
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        // A copy of the column lower down the pipeline still says where it comes from.
        var copied = ml.Transforms.CopyColumns("Copy", "Score").Fit(transformer.Transform(data))
            .Transform(transformer.Transform(data));
        var annotation = NetworkAnnotation.Find(copied.Schema["Copy"]);
        Assert.IsNotNull(annotation);
        Assert.AreSame(transformer.Network, annotation.Network);
        Assert.AreSame(transformer.Network, annotation.Source);
        Assert.AreEqual("Pixels", annotation.InputColumnName);
        Assert.IsNull(NetworkAnnotation.Find(copied.Schema["Pixels"]));
    }

    private static SchemaShape Shape(MLContext ml)
    {
        // ML.NET makes no shape of a schema in public; an estimator that adds the columns gives it.
        return ml.Transforms.CustomMapping<Nothing, ShapedRow>((_, _) => { }, null, null, Definition())
            .GetOutputSchema(new SchemaShape([]));
    }

    private static SchemaDefinition Definition()
    {
        var definition = SchemaDefinition.Create(typeof(ShapedRow));
        definition["Pixels"].ColumnType =
            new VectorDataViewType(NumberDataViewType.Single, TestNetworks.Channels, TestNetworks.Size,
            TestNetworks.Size);
        return definition;
    }

    private static string[] Texts(DataViewSchema.Column column, string kind)
    {
        VBuffer<ReadOnlyMemory<char>> value = default;
        column.Annotations.GetValue(kind, ref value);
        return [.. value.DenseValues().Select(text => text.ToString())];
    }

    private static string Text(DataViewSchema.Column column, string kind)
    {
        ReadOnlyMemory<char> value = default;
        column.Annotations.GetValue(kind, ref value);
        return value.ToString();
    }

    private static uint SetId(DataViewSchema.Column column)
    {
        uint value = 0;
        column.Annotations.GetValue("ScoreColumnSetId", ref value);
        return value;
    }

    private sealed class Nothing;

    private sealed class ShapedRow
    {
        public VBuffer<float> Pixels { get; set; }

        public ReadOnlyMemory<char> Name { get; set; }

        public ReadOnlyMemory<char> Label { get; set; }

        public int Number { get; set; }

        public VBuffer<float> Extra { get; set; }
    }
}
