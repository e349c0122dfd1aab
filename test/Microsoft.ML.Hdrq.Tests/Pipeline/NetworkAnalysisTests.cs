using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>The analyses as users of ML.NET call them.</summary>
[TestClass]
public sealed class NetworkAnalysisTests
{
    private static readonly AnalysisOptions _fast = new() { Steps = 2, Probes = 2, PowerIterations = 2, BatchSize = 7 };
    private static readonly RowOptions _rows = new() { Seed = 1 };
    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    public void A_pipeline_s_networks_are_compared_by_their_columns()
    {
        using var source = TestNetworks.Classifier();
        using var model = Pipeline(source).Fit(Data());
        var data = model.Transform(Data());
        string[] columns = ["Source", "First", "Second", "FirstQuantized", "SecondQuantized"];
        NetworkComparison? comparison = null;
        var progress = new List<AnalysisProgress>();
        LiveTensors.AssertUnchanged(
            () => comparison = _ml.Model.CompareNetworks(
                data, columns, _fast with { Progress = new Tests.Analysis.Progress(progress.Add) }, _rows));

        CollectionAssert.AreEqual(columns, comparison!.Networks.Select(network => network.Name).ToList());
        // Three networks in full precision, of one graph, and two quantized ones.
        Assert.HasCount(3 + 1, comparison.Interpolations);
        Assert.IsNull(comparison.Networks[0].Distance);
        Assert.AreEqual(1, comparison.Networks[4].Distance!.Layers.Count(layer => layer.Layer == "conv"));
        Assert.IsGreaterThan(0, comparison.Networks[1].Distance!.Distance);
        Assert.AreEqual(comparison.Networks[1].Loss, comparison.Interpolations[0].Points[^1].Loss);
        Assert.IsGreaterThan(0, comparison.Networks[1].Curvature.Whole.Trace);
        Assert.AreEqual(progress[^1].Total, progress[^1].Done);
        Assert.IsTrue(progress.Zip(progress.Skip(1)).All(pair => pair.First.Done <= pair.Second.Done));
        StringAssert.Contains(comparison.ToString(), "| FirstQuantized |");

        // What ML.NET itself measures on the same rows.
        var metrics = _ml.MulticlassClassification.Evaluate(data, scoreColumnName: "SecondQuantized");
        var all = _ml.Model.InterpolateNetworks(data, ["First", "Second"], _fast, _rows);
        Assert.AreEqual(metrics.MicroAccuracy,
            _ml.Model.InterpolateNetworks(data, ["SecondQuantized", "FirstQuantized"], _fast, _rows).Points[
                0].Accuracy);
        Assert.HasCount(3, all.Points);
    }

    [TestMethod]
    public void A_domain_is_a_choice_of_rows_and_the_seed_decides()
    {
        using var source = TestNetworks.Classifier();
        using var model = Pipeline(source).Fit(Data());
        var data = model.Transform(Data());
        var odd = _ml.Model.MeasureCurvature(
            data, "First", _fast, _rows with { DomainColumnName = "Name", Domain = "image 1" });
        var all = _ml.Model.MeasureCurvature(data, "First", _fast, _rows);
        Assert.AreNotEqual(odd.Whole.Trace, all.Whole.Trace);
        Assert.AreEqual(Values(all.Whole), Values(_ml.Model.MeasureCurvature(data, "First", _fast, _rows).Whole));
        Assert.AreEqual(CurvatureLoss.CrossEntropy, all.Loss);
        // Of the quantized network the blocks are those of its layers.
        CollectionAssert.AreEqual(new[] { "conv", "scores" },
            _ml.Model.MeasureCurvature(data, "FirstQuantized", _fast, _rows).Blocks.Select(block => block.Name)
            .ToList());

        static (string, long, double, double, double?) Values(BlockCurvature block) =>
            (block.Name, block.Weights, block.Trace, block.TraceStandardError, block.LargestEigenvalue);
    }

    [TestMethod]
    [DataRow("LabelColumnName")]
    [DataRow("Domain")]
    [DataRow("DomainColumnName")]
    [DataRow("MaxRows")]
    [DataRow("CropSize")]
    [DataRow("BatchSize")]
    [DataRow("Steps")]
    [DataRow("Probes")]
    [DataRow("PowerIterations")]
    [DataRow("GpuDeviceId")]
    [DataRow("Loss")]
    [DataRow("Method")]
    public void An_option_that_is_out_of_range_is_named(string option)
    {
        AnalysisOptions options = option switch
        {
            "BatchSize" => new() { BatchSize = 0 },
            "Steps" => new() { Steps = 0 },
            "Probes" => new() { Probes = 0 },
            "PowerIterations" => new() { PowerIterations = -1 },
            "Loss" => new() { Loss = (CurvatureLoss)9 },
            "Method" => new() { Method = null! },
            _ => new(),
        };
        RowOptions rows = option switch
        {
            "LabelColumnName" => new() { LabelColumnName = "" },
            "Domain" => new() { DomainColumnName = "Domain" },
            "DomainColumnName" => new() { Domain = "fog" },
            "MaxRows" => new() { MaxRows = 0 },
            "CropSize" => new() { CropSize = 4 },
            "GpuDeviceId" => new() { GpuDeviceId = -1 },
            _ => new(),
        };
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Model.CompareNetworks(Data(), ["Source"], options, rows)).ParamName);
    }

    [TestMethod]
    public void Columns_that_are_missing_too_few_or_no_networks_are_refused()
    {
        using var source = TestNetworks.Classifier();
        using var model = _ml.Transforms.ApplyNetwork("Source", "Pixels", source).Fit(Data());
        var data = model.Transform(Data());
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Model.InterpolateNetworks(data, ["Source"]));
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Model.CompareNetworks(data, []));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Model.MeasureCurvature(data, "Nowhere"));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Model.MeasureCurvature(data, "Pixels")).Message, "score column of a network");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Model.MeasureCurvature(data, "Source", rows: new() { LabelColumnName = "Name" })).Message, "Key");
    }

    private EstimatorChain<NetworkTransformer> Pipeline(Network source) =>
        _ml.Transforms.ApplyNetwork("Source", "Pixels", source)
            .Append(_ml.Transforms.AdaptNetwork(
                "First", "Source", new() { Epochs = 1, LearningRate = 0.01 }, new() { Seed = 1 }))
            .Append(_ml.Transforms.AdaptNetwork(
                "Second", "Source", new() { Epochs = 1, LearningRate = 0.01 }, new() { Seed = 2 }))
            .Append(_ml.Transforms.QuantizeHdrq(
                "FirstQuantized", "First", new() { WeightBits = 4, Training = new() { Iterations = 0 } }))
            .Append(_ml.Transforms.QuantizeHdrq(
                "SecondQuantized", "Second", new() { WeightBits = 4, Training = new() { Iterations = 0 } }));

    private IDataView Data() =>
        _ml.Transforms.Conversion.MapValueToKey(
        "Label", keyOrdinality: Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
        .Fit(Images.View(_ml, Images.Rows(20))).Transform(Images.View(_ml, Images.Rows(20)));
}
