using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Adapting, quantizing per domain and merging in one pipeline, fitted once.</summary>
[TestClass]
public sealed class OnePipelineTests
{
    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        public string Domain { get; set; } = "";

        [KeyType(2)]
        public uint Label { get; set; }
    }

    [TestMethod]
    public void One_fit_adapts_quantizes_and_merges()
    {
        var ml = new MLContext(seed: 1);
        var data = ml.Data.LoadFromEnumerable(Rows(96));
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 4, inputSize: 8);
        var adapt = new AdaptationOptions { Epochs = 12, BatchSize = 16, LearningRate = 0.05, UpdateStatistics = true };
        var quantize = new HdrqOptions
        {
            WeightBits = 4,
            ActivationBits = 4,
            Training = new() { Iterations = 40, BatchSize = 16 }
        };
        var pipeline = ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = ["dark", "light"] })
            .Append(ml.Transforms.AdaptNetwork("Fog", "Source", adapt, Of("fog")))
            .Append(ml.Transforms.AdaptNetwork("Night", "Source", adapt, Of("night")))
            .Append(ml.Transforms.QuantizeHdrq("FogQuantized", "Fog", quantize, Of("fog") with { MaxRows = 32 }))
            .Append(ml.Transforms.QuantizeHdrq("NightQuantized", "Night", quantize, Of("night") with { MaxRows = 32 }))
            .Append(ml.Transforms.MergeNetworks("Score", "FogQuantized", "NightQuantized"));

        var model = pipeline.Fit(data);

        // No step that only leads to another makes a session.
        var networks = ((IEnumerable<ITransformer>)model).OfType<NetworkTransformer>().ToList();
        Assert.HasCount(6, networks);
        Assert.IsFalse(networks.Exists(network => network.HasEngine));

        var metrics = ml.MulticlassClassification.Evaluate(model.Transform(data));
        Assert.IsGreaterThan(0.9, metrics.MicroAccuracy,
            "The merged network must tell light images from dark ones in both domains.");
        Assert.AreEqual("Score", networks.Single(network => network.HasEngine).OutputColumnName);
        var only = model.Only(data.Schema, "Score");
        var expected = model.Transform(data).GetColumn<float[]>("Score").ToArray();
        var actual = only.Transform(data).GetColumn<float[]>("Score").ToArray();
        for (var i = 0; i < expected.Length; i++)
            CollectionAssert.AreEqual(expected[i], actual[i]);
        Assert.HasCount(1, (IEnumerable<ITransformer>)only);
        Assert.IsNull(only.GetOutputSchema(data.Schema).GetColumnOrNull("Fog"));

        static RowOptions Of(string domain) => new() { DomainColumnName = "Domain", Domain = domain, Seed = 1 };
    }

    private static IEnumerable<Row> Rows(int count)
    {
        var random = new Random(1);
        for (var i = 0; i < count; i++)
        {
            var isLight = random.Next(2) == 1;
            var isFog = i % 2 == 0;
            yield return new Row
            {
                Pixels = [.. Enumerable.Range(0, 192)
                    .Select(p => (float)(random.NextDouble() + (isLight ? 0.8 : -0.8) + (isFog && p < 64 ? 0.5 : 0)))],
                Domain = isFog ? "fog" : "night",
                // ML.NET counts the values of members from 0, and keys in data from 1.
                Label = isLight ? 1u : 0u,
            };
        }
    }
}
