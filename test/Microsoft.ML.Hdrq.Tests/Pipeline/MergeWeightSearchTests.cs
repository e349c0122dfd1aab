using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>The search of networks' weights on the rows that a merge is fitted to.</summary>
[TestClass]
public sealed class MergeWeightSearchTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(2)]
        public float[] Pixels { get; set; } = [];

        [KeyType(2)]
        public uint Label { get; set; }
    }

    [TestMethod]
    [DataRow(MergeCriterion.Entropy)]
    [DataRow(MergeCriterion.Loss)]
    [DataRow(MergeCriterion.Accuracy)]
    public void The_network_that_does_well_gets_the_weight(MergeCriterion criterion)
    {
        // Scores 9 x; and -x, which is wrong and less sure.
        using var good = Linear(9);
        using var bad = Linear(-1);
        var measurements = new List<MergeWeightProgress>();
        var search = new MergeWeightSearch
        {
            Criterion = criterion,
            MaxRows = 16,
            Progress = new Report<MergeWeightProgress>(measurements.Add)
        };
        using var merged = Merge(good, bad, new() { NetworkWeights = [0.05, 0.95] }, search);

        var weights = merged.Network.Metadata[NetworkMetadata.MergeWeights].Split(' ')
            .Select(weight => double.Parse(weight, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        if (criterion == MergeCriterion.Accuracy)
        {
            // 9 a - (1 - a) > 0 from a tenth on, which is enough.
            Assert.AreEqual(0, measurements.Min(step => step.Value));
            Assert.IsGreaterThan(0.1f, merged.Network.Parameters["weight"].data<float>()[0] + 1);
        }
        else
        {
            CollectionAssert.AreEqual(new[] { 1.0, 0.0 }, weights);
            Assert.AreEqual(9, merged.Network.Parameters["weight"].data<float>()[0], 1e-5);
        }
        using var again = Merge(good, bad, new() { NetworkWeights = [0.05, 0.95] }, search);
        Assert.AreEqual(merged.Network.ParametersSha256(), again.Network.ParametersSha256());
        using var start = Merge(good, bad, new() { NetworkWeights = [0.05, 0.95] }, null);
        Assert.AreEqual(-0.5f, start.Network.Parameters["weight"].data<float>()[0], 1e-5f);
    }

    [TestMethod]
    public void Score_columns_are_searched_too_and_nothing_is_left_over()
    {
        using var good = Linear(9);
        using var bad = Linear(-1);
        var data = Data();
        var pipeline = _ml.Transforms.ApplyNetwork("Good", "Pixels", good)
            .Append(_ml.Transforms.ApplyNetwork("Bad", "Pixels", bad))
            .Append(_ml.Transforms.MergeNetworks(
                "Score", ["Good", "Bad"], new MergeOptions(),
                new MergeWeightSearch { Criterion = MergeCriterion.Loss, MaxRows = 16 }));
        Fit();
        LiveTensors.AssertUnchanged(Fit);

        void Fit()
        {
            using var fitted = pipeline.Fit(data);
            Assert.AreEqual("1 0", fitted.LastTransformer.Network.Metadata[NetworkMetadata.MergeWeights]);
        }
    }

    [TestMethod]
    [DataRow("Criterion")]
    [DataRow("LabelColumnName")]
    [DataRow("MaxRows")]
    [DataRow("BatchSize")]
    [DataRow("Resolution")]
    public void An_option_out_of_range_is_named(string option)
    {
        MergeWeightSearch search = option switch
        {
            "Criterion" => new() { Criterion = (MergeCriterion)7 },
            "LabelColumnName" => new() { LabelColumnName = "" },
            "MaxRows" => new() { MaxRows = 0 },
            "BatchSize" => new() { BatchSize = 0 },
            _ => new() { Resolution = 0 },
        };
        using var network = Linear(1);
        Assert.AreEqual(option, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.MergeNetworks(
                "Score", "Pixels", [network, network], new(), search: search)).ParamName);
    }

    private NetworkTransformer Merge(Network good, Network bad, MergeOptions options, MergeWeightSearch? search) =>
        _ml.Transforms.MergeNetworks("Score", "Pixels", [good, bad], options, search: search).Fit(Data());

    private IDataView Data()
    {
        var random = new Random(1);
        return _ml.Data.LoadFromEnumerable(
            Enumerable.Range(0, 24).Select(
                i => new Row
                {
                    Pixels = [(float)(random.NextDouble() + (i % 2 == 0 ? 0.2 : -1.2)), 0],
                    Label = (uint)(i % 2)
                }).ToArray());
    }

    /// <summary>Scores (factor x, 0) of (x, y).</summary>
    private static Network Linear(float factor)
    {
        using var builder = new NetworkBuilder();
        builder.Node("Gemm", "scores",
            [builder.Input("x", -1, 2),
                builder.Parameter("weight", torch.tensor(new[] { factor, 0, 0, 0 }).reshape(2, 2))], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 2]));
    }
}
