using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>The same with ML.NET: applied, adapted, quantized, merged, saved and loaded, on tiny random data.</summary>
[TestClass]
public sealed class PipelineTests
{
    private static readonly RandomImages.Row[] _rows = RandomImages.Create(96);
    private static readonly float[][] _images = [.. _rows.Select(row => row.Pixels)];

    [TestMethod]
    public void ApplyNetwork_scores_as_ONNX_Runtime_does()
    {
        using var folder = new TemporaryDirectory();
        using var network = SmallClassifier.Create(seed: 1);
        network.SaveOnnx(folder.Combine("network.onnx"));
        var ml = new MLContext(seed: 1);
        var data = ml.Data.LoadFromEnumerable(_rows);

        var scored = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { ClassNames = RandomImages.ClassNames })
            .Append(ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel")).Fit(data).Transform(data);

        var expected = Scores.ByOnnxRuntime(folder.Combine("network.onnx"), _images);
        Scores.AssertClose(expected, Scores.In(scored, "Score"), tolerance: 1e-4);
        var best = expected.Select(scores => RandomImages.ClassNames[Array.IndexOf(scores, scores.Max())]).ToArray();
        CollectionAssert.AreEqual(best, scored.GetColumn<string>("Prediction").ToArray());
    }

    [TestMethod]
    public void One_pipeline_adapts_quantizes_and_merges_and_its_model_is_saved_and_loaded()
    {
        using var folder = new TemporaryDirectory();
        using var network = SmallClassifier.Create(seed: 1);
        var ml = new MLContext(seed: 1);
        var data = ml.Data.LoadFromEnumerable(_rows);
        var pipeline = ml.Transforms.ApplyNetwork(
            "Source", "Pixels", network, new() { ClassNames = RandomImages.ClassNames })
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", _adaptation, rows: Of("fog")))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", _adaptation, rows: Of("night")))
            .Append(ml.Transforms.QuantizeTo4Bits("Fog4", "Fog", "fog"))
            .Append(ml.Transforms.QuantizeTo4Bits("Night4", "Night", "night"))
            .Append(ml.Transforms.MergeNetworks("Score", "Fog4", "Night4"));

        var model = pipeline.Fit(data);
        var scored = model.Transform(data);
        var byDomain = ml.MulticlassClassification.EvaluateByDomain(scored);
        var merged = model.Only(data.Schema, "Score");
        ml.Model.Save(merged, data.Schema, folder.Combine("merged.zip"));
        var loaded = new MLContext().Model.Load(folder.Combine("merged.zip"), out var schema);

        // Light and dark images differ in brightness alone: whoever has learned anything tells them apart.
        Assert.IsGreaterThan(0.9, byDomain.Lowest,
            "The merged network must tell light images from dark ones in both domains.");
        Assert.IsNotNull(schema.GetColumnOrNull("Pixels"));
        Scores.AssertClose(Scores.In(scored, "Score"), Scores.In(loaded.Transform(data), "Score"), tolerance: 1e-4);
        Assert.IsNull(merged.GetOutputSchema(data.Schema).GetColumnOrNull("Fog4"));
    }

    [TestMethod]
    public void Two_places_quantize_to_files_and_the_centre_merges_them()
    {
        using var folder = new TemporaryDirectory();
        var ml = new MLContext(seed: 1);
        var data = ml.Data.LoadFromEnumerable(_rows);
        foreach (var domain in new[] { "fog", "night" })
        {
            using var network = SmallClassifier.Create(seed: 1);
            var model = ml.Transforms.ApplyNetwork(
                "Source", "Pixels", network, new() { ClassNames = RandomImages.ClassNames })
                .Append(ml.Transforms.AdaptNetwork("Adapted", "Source", _adaptation, rows: Of(domain)))
                .Append(ml.Transforms.QuantizeTo4Bits("Score", "Adapted", domain)).Fit(data);
            model.LastTransformer.SaveOnnx(folder.Combine($"{domain}.onnx"));
            Assert.AreEqual("4", Network.ReadOnnxMetadata(folder.Combine($"{domain}.onnx"))[NetworkMetadata.WeightBits]);
        }

        using var fog = Network.LoadOnnx(folder.Combine("fog.onnx"));
        using var night = Network.LoadOnnx(folder.Combine("night.onnx"));
        using var merged = NetworkMerger.Merge([fog, night]);
        merged.SaveOnnx(folder.Combine("merged.onnx"));
        var inPipeline = ml.Transforms.MergeNetworks("Score", "Pixels", fog, night).Fit(data);

        Assert.AreEqual(merged.ParametersSha256(), inPipeline.Network.ParametersSha256());
        Scores.AssertClose(Scores.ByOnnxRuntime(folder.Combine("merged.onnx"), _images),
            Scores.In(inPipeline.Transform(data), "Score"), tolerance: 1e-4);
    }

    private static readonly AdaptationOptions _adaptation = new() { Epochs = 12, BatchSize = 16, LearningRate = 0.05 };

    private static RowOptions Of(string domain) => new() { DomainColumnName = "Domain", Domain = domain, Seed = 1 };
}
