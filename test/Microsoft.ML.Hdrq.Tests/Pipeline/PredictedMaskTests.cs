using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline.Masks;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class PredictedMaskTests
{
    private static readonly string[] _names = ["sky", "road", "tree", "car"];

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void The_mask_has_the_class_with_the_highest_score_in_each_pixel(bool saved)
    {
        using var network = TestNetworks.Segmenter();
        var rows = Images.Rows(5);
        var data = Images.View(_ml, rows);
        using var transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = _names })
            .Fit(data);
        var scored = (saved ? Reload(transformer, data.Schema) : transformer).Transform(data);

        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 4, 8, 8), scored.Schema["Score"].Type);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Byte, 8, 8), scored.Schema["PredictedMask"].Type);
        Assert.IsNull(scored.Schema.GetColumnOrNull("PredictedLabel"));
        var expected = OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels))
            .Select(scores => Enumerable.Range(0, 64)
            .Select(i => (byte)Enumerable.Range(0, 4).MaxBy(c => scores[c * 64 + i])).ToArray()).ToArray();
        var actual = Masks(scored);
        for (var row = 0; row < rows.Length; row++)
            CollectionAssert.AreEqual(expected[row], actual[row], $"row {row}");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void The_first_of_equal_scores_wins_and_NaN_never_does(bool saved)
    {
        using var network = TestNetworks.Decoding(3, 2, 2);
        var scores = new[] { 1f, float.NaN, float.NaN, float.NegativeInfinity, 1f, 2f, float.NaN,
            float.NegativeInfinity, 3f, 1f, float.NaN, float.NegativeInfinity };
        var data = Images.View(_ml, [new ImageRow { Pixels = TestNetworks.Encoded(scores) }], 3, 2, 2);
        using var transformer = _ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        CollectionAssert.AreEqual(new byte[] { 2, 1, MaskLoadingEstimator.Ignored, 0 },
            Masks((saved ? Reload(transformer, data.Schema) : transformer).Transform(data)).Single());
    }

    [TestMethod]
    public void The_schema_before_fitting_is_that_after_it()
    {
        using var network = TestNetworks.Segmenter();
        var data = Images.View(_ml, Images.Rows(2));
        var estimator = _ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = _names })
            .Append(_ml.Transforms.QuantizeHdrq("Score", "Source", new() { Training = new() { Iterations = 0 } }));
        using var model = estimator.Fit(data);
        var before = estimator.GetOutputSchema(
            _ml.Transforms.CustomMapping<Nothing, ImageRow>((_, _) => { }, null, null, Definition())
            .GetOutputSchema(new SchemaShape([])));
        foreach (var name in new[] { "Source", "Score", "PredictedMask" })
        {
            var (shape, column) = (before.Single(column => column.Name == name), model.GetOutputSchema(data.Schema)[name]);
            Assert.AreEqual(((VectorDataViewType)column.Type).ItemType, shape.ItemType);
            CollectionAssert.IsSubsetOf(
                shape.Annotations.Select(annotation => annotation.Name).ToArray(),
                column.Annotations.Schema.Select(annotation => annotation.Name).ToArray());
            VBuffer<ReadOnlyMemory<char>> names = default;
            column.Annotations.GetValue("ClassNames", ref names);
            CollectionAssert.AreEqual(_names, names.DenseValues().Select(text => text.ToString()).ToArray());
        }
        Assert.AreEqual("PredictedMask", model.LastTransformer.PredictedMaskColumnName);
        Assert.IsNull(model.LastTransformer.PredictedLabelColumnName);
    }

    [TestMethod]
    public void Options_are_checked()
    {
        using var network = TestNetworks.Segmenter();
        var data = Images.View(_ml, Images.Rows(1));
        Assert.AreEqual("ClassNames",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.ApplyNetwork(
                    "Score", "Pixels", network, new() { ClassNames = ["one", "two"] })).ParamName);
        Assert.AreEqual("PredictedMaskColumnName",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.ApplyNetwork(
                    "Score", "Pixels", network, new() { PredictedMaskColumnName = "Score" })).ParamName);
        using var without = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { PredictedMaskColumnName = null }).Fit(data);
        Assert.IsNull(without.GetOutputSchema(data.Schema).GetColumnOrNull("PredictedMask"));
        using var named = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { PredictedMaskColumnName = "Mask" }).Fit(data);
        Assert.IsNotNull(named.GetOutputSchema(data.Schema).GetColumnOrNull("Mask"));
    }

    private static byte[][] Masks(IDataView data) =>
        [.. data.GetColumn<VBuffer<byte>>("PredictedMask").Select(mask => mask.DenseValues().ToArray())];

    private static SchemaDefinition Definition()
    {
        var definition = SchemaDefinition.Create(typeof(ImageRow));
        definition[nameof(ImageRow.Pixels)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 8, 8);
        return definition;
    }

    private static ITransformer Reload(ITransformer transformer, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        new MLContext().Model.Save(transformer, schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }

    private sealed class Nothing;
}
