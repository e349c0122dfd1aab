using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>How merged networks are applied: with the options of <c>ApplyNetwork</c>.</summary>
[TestClass]
public sealed class MergedScoringTests
{
    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    [DataRow(ScoringEngineKind.Torch)]
    [DataRow(ScoringEngineKind.OnnxRuntime)]
    public void Networks_from_elsewhere_are_applied_as_the_options_say(ScoringEngineKind engine)
    {
        var rows = Images.Rows(5);
        var data = Images.View(_ml, rows);
        using var network = TestNetworks.Classifier();
        var scoring = new ScoringOptions
        {
            Engine = engine,
            Threads = 1,
            BatchSize = 2,
            ClassNames = Images.ClassNames,
            Softmax = true,
            PredictedLabelColumnName = "Best"
        };
        using var merged = _ml.Transforms.MergeNetworks("Score", "Pixels", [network, network], new(), scoring)
            // A later step is only there if the schema before fitting has the label's column.
            .Append(_ml.Transforms.CopyColumns("Copy", "Best")).Fit(data).OfType<NetworkTransformer>().Single();
        using var applied = _ml.Transforms.ApplyNetwork("Score", "Pixels", network, scoring).Fit(data);

        var scored = merged.Transform(data);
        Assert.AreEqual((engine, 1, 2), Settings(scored.Schema, "Score"));
        Assert.AreEqual("Best", merged.PredictedLabelColumnName);
        CollectionAssert.AreEqual(Images.ClassNames.ToArray(), merged.ClassNames.ToArray());
        Images.AssertClose(Images.Scores(applied.Transform(data)), Images.Scores(scored), 0);
    }

    [TestMethod]
    public void Networks_of_files_are_applied_as_networks_from_elsewhere_are()
    {
        using var folder = new TemporaryDirectory();
        var data = Images.View(_ml, Images.Rows(5));
        using var network = TestNetworks.Classifier();
        string[] files = [folder.Combine("a.onnx"), folder.Combine("b.onnx")];
        foreach (var file in files)
            network.SaveOnnx(file);
        var scoring = new ScoringOptions { Threads = 1, ClassNames = Images.ClassNames, PredictedLabelColumnName = "Best" };
        using var fromFiles = _ml.Transforms.MergeNetworks("Score", "Pixels", files, scoring: scoring)
            .Append(_ml.Transforms.CopyColumns("Copy", "Best")).Fit(data).OfType<NetworkTransformer>().Single();
        using var fromNetworks = _ml.Transforms.MergeNetworks("Score", "Pixels", [network, network], new(), scoring)
            .Fit(data);
        Images.AssertClose(Images.Scores(fromNetworks.Transform(data)), Images.Scores(fromFiles.Transform(data)), 0);
        CollectionAssert.AreEqual(Images.ClassNames.ToArray(), fromFiles.ClassNames.ToArray());

        Assert.ThrowsExactly<FileNotFoundException>(
            () => _ml.Transforms.MergeNetworks("Score", "Pixels", [files[0], folder.Combine("c.onnx")]));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.MergeNetworks("Score", "Pixels", [files[0]], options: null)).Message, "there are 1");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.MergeNetworks(
                "Score", "Pixels", files, new() { NetworkWeights = [0.5, 0.25, 0.25] })).Message,
            "3 weights for 2 networks");
    }

    [TestMethod]
    public void Networks_of_score_columns_are_applied_as_the_first_one()
    {
        var data = Images.View(_ml, Images.Rows(5));
        using var network = TestNetworks.Classifier();
        using var a = _ml.Transforms.ApplyNetwork(
            "A", "Pixels", network, new()
            {
                Engine = ScoringEngineKind.Torch,
                Threads = 3,
                BatchSize = 7,
                PredictedLabelColumnName = null
            }).Fit(data);
        using var b = _ml.Transforms.ApplyNetwork("B", "Pixels", network, new() { PredictedLabelColumnName = null })
            .Fit(data);
        var scored = b.Transform(a.Transform(data));
        using var merged = _ml.Transforms.MergeNetworks("Score", "A", "B").Fit(scored);
        Assert.AreEqual((ScoringEngineKind.Torch, 3, 7), Settings(merged.Transform(scored).Schema, "Score"));
    }

    [TestMethod]
    public void Options_that_do_not_fit_are_refused_before_merging()
    {
        using var network = TestNetworks.Classifier();
        foreach (var (option, scoring) in new (
            string, ScoringOptions)[] { ("Threads", new() { Threads = 0 }),
                ("Engine", new() { Engine = (ScoringEngineKind)9 }), ("ClassNames", new() { ClassNames = ["one"] }) })
            Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.MergeNetworks("Score", "Pixels", [network, network], new(), scoring)).ParamName);
    }

    [TestMethod]
    public void Weights_that_do_not_fit_are_refused_before_anything_is_read()
    {
        using var network = TestNetworks.Classifier();
        var options = new MergeOptions { NetworkWeights = [0.5, 0.25, 0.25] };
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.MergeNetworks("Score", "Pixels", [network, network], options)).Message,
            "3 weights for 2 networks");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => _ml.Transforms.MergeNetworks("Score", ["A", "B"], options)).Message, "3 weights for 2 networks");
    }

    [TestMethod]
    public void Merging_leaves_nothing_but_the_network()
    {
        var data = Images.View(_ml, Images.Rows(2));
        using var network = TestNetworks.Classifier();
        LiveTensors.AssertUnchanged(
            () => _ml.Transforms.MergeNetworks(
                "Score", "Pixels", [network, network], new(), new() { Normalization = ChannelNormalization.ImageNet() })
            .Fit(data).Dispose());
    }

    private static (ScoringEngineKind, int?, int) Settings(DataViewSchema schema, string column)
    {
        var settings = TrainingHost.Network(schema, column).Settings;
        return (settings.Engine, settings.Threads, settings.BatchSize);
    }
}
