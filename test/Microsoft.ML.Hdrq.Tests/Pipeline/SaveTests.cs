using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class SaveTests
{
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, true)]
    public void AnApplicationWithoutThisLibraryScoresTheSame(bool softmax, bool named)
    {
        using var folder = new TemporaryDirectory();
        var (model, file) = (folder.Combine("model.zip"), folder.Combine("data.idv"));
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(11, range: 255));
        var options = new ScoringOptions
        {
            Normalization = ChannelNormalization.ImageNet(),
            Softmax = softmax,
            ClassNames = named ? Images.ClassNames : null
        };
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network, options).Fit(data);
        ml.Model.Save(transformer, data.Schema, model);
        using (var stream = File.Create(file))
            ml.Data.SaveAsBinary(data, stream);

        var lines = LoadOnlyProgram.Run(model, file, "Score", "PredictedLabel");

        var scored = transformer.Transform(data);
        Assert.AreEqual(string.Join("|", scored.Schema.Select(column => $"{column.Name}: {column.Type}")), lines[0]);
        var scores = lines[1..12].Select(
            line => line.Split('|').Select(score => float.Parse(score, CultureInfo.InvariantCulture)).ToArray())
            .ToArray();
        Images.AssertClose(Images.Scores(scored), scores, 1e-4f);
        // The label of the highest score, by its name.
        var expected = scores.Select(
            row => named ? $"class {Array.IndexOf(row, row.Max())}" : $"{Array.IndexOf(row, row.Max())}");
        Assert.AreEqual(string.Join("|", expected), lines[12]);
        Assert.AreEqual("none of ours", lines[13]);
    }

    [TestMethod]
    public void LoadedModelsHaveTheSameColumns()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(8));
        using var transformer = ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { ClassNames = Images.ClassNames }).Fit(data);

        var (own, loaded) = (transformer.Transform(data), Reload(transformer, data.Schema).Transform(data));
        CollectionAssert.AreEqual(own.Schema.Select(column => $"{column.Name}: {column.Type}").ToArray(),
            loaded.Schema.Select(column => $"{column.Name}: {column.Type}").ToArray());
        Images.AssertClose(Images.Scores(own), Images.Scores(loaded), 1e-4f);
        CollectionAssert.AreEqual(own.GetColumn<uint>("PredictedLabel").ToArray(),
            loaded.GetColumn<uint>("PredictedLabel").ToArray());
    }

    [TestMethod]
    public void NamesThatAreTakenAreLeftAlone()
    {
        var ml = new MLContext(1);
        // Names of the graph, and of the temporary columns of a saved model, as columns of the data.
        using var network = TestNetworks.Classifier(input: "Number", output: "hdrq.scores");
        var rows = Images.Rows(4);
        var data = ml.Transforms.CopyColumns("hdrq.input", "Name").Append(ml.Transforms.CopyColumns("input", "Number"))
            .Append(ml.Transforms.CopyColumns("hdrq.label", "Label"))
            .Fit(Images.View(ml, rows)).Transform(Images.View(ml, rows));
        using var transformer = ml.Transforms.ApplyNetwork(
            "conv", "Pixels", network, new() { PredictedLabelColumnName = "linear.weight" }).Fit(data);

        var loaded = Reload(transformer, data.Schema).Transform(data);
        CollectionAssert.AreEqual(data.Schema.Select(column => column.Name).Concat(["conv", "linear.weight"]).ToArray(),
            loaded.Schema.Select(column => column.Name).ToArray());
        CollectionAssert.AreEqual(rows.Select(row => row.Name).ToArray(), loaded.GetColumn<string>("hdrq.input").ToArray());
        CollectionAssert.AreEqual(rows.Select(row => row.Number).ToArray(), loaded.GetColumn<int>("input").ToArray());
        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)), Images.Scores(loaded, "conv"),
            1e-4f);
    }

    [TestMethod]
    public void OutputMayReplaceTheInput()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var rows = Images.Rows(4);
        var data = Images.View(ml, rows);
        using var transformer = ml.Transforms.ApplyNetwork("Pixels", null, network).Fit(data);

        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)),
            Images.Scores(Reload(transformer, data.Schema).Transform(data), "Pixels"), 1e-4f);
    }

    [TestMethod]
    [DataRow(new[] { 3f, 1f, 3f }, 1u)]
    [DataRow(new[] { float.NaN, 1f, 2f }, 3u)]
    [DataRow(new[] { float.NaN, float.NaN, float.NaN }, 0u)]
    [DataRow(new[] { float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity }, 1u)]
    public void LoadedModelsPredictTheFirstBestClass(float[] scores, uint expected)
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Identity(3);
        var data = Images.View(ml, [new ImageRow { Pixels = scores }], 3);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);

        Assert.AreEqual(expected, Reload(transformer, data.Schema).Transform(data).GetColumn<uint>("PredictedLabel")
            .Single());
    }

    [TestMethod]
    public void ChainsOfSeveralNetworksAreSaved()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        using var segmenter = TestNetworks.Segmenter();
        var rows = Images.Rows(3);
        var data = Images.View(ml, rows);
        var model = ml.Transforms.ApplyNetwork("Score", "Pixels", network)
            .Append(ml.Transforms.ApplyNetwork("Mask", "Pixels", segmenter)).Fit(data);

        var loaded = Reload(model, data.Schema).Transform(data);
        Images.AssertClose(OnnxRuntimeScores.Of(network, rows.Select(row => row.Pixels)), Images.Scores(loaded), 1e-4f);
        Images.AssertClose(OnnxRuntimeScores.Of(segmenter, rows.Select(row => row.Pixels)),
            Images.Scores(loaded, "Mask"), 1e-4f);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 4, TestNetworks.Size, TestNetworks.Size),
            loaded.Schema["Mask"].Type);
        model.Dispose();
    }

    [TestMethod]
    public void FixedBatchesOfSeveralRowsCannotBeSaved()
    {
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier(batch: 4);
        var data = Images.View(ml, Images.Rows(1));
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
        using var stream = new MemoryStream();
        Assert.Contains("batches of exactly 4 rows",
            Assert.ThrowsExactly<NotSupportedException>(() => ml.Model.Save(transformer, data.Schema, stream)).Message);
    }

    /// <summary>
    /// ONNX Runtime makes one layer of a product and the bias that is added to it where all sizes are known, and rounds
    /// the bias otherwise than the network does.
    /// </summary>
    [TestMethod]
    [DataRow("vit", 8, 8)]
    [DataRow("vit", 4, 8)]
    [DataRow("vit", 4, 4)]
    [DataRow("perceptron", 8, 8)]
    [DataRow("perceptron", 4, 4)]
    public void SavedQuantizedProductsScoreAsTheNetworkDoes(string kind, int weightBits, int activationBits)
    {
        using var scope = torch.NewDisposeScope();
        var random = new torch.Generator(1);
        using var network = kind == "vit" ? VisionTransformer.Create(3, 32, 4, 5, seed: 1, inputSize: 32)
            : Perceptron(random);
        using (torch.no_grad())
        {
            foreach (var parameter in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight))
                network.Parameters[parameter.Name].add_(torch.randn(parameter.Shape.ToArray(), generator: random).mul(0.05));
        }
        var size = (int)network.Graph.Inputs[0].Shape[^1];
        var images = torch.randn([32, 3, size, size], generator: random);
        using var quantized = NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = weightBits, ActivationBits = activationBits },
            seed: 1);
        var ml = new MLContext(1);
        var rows = Images.Rows(16, pixels: 3 * size * size);
        var data = Images.View(ml, rows, 3, size, size);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", quantized).Fit(data);

        var saved = Images.Scores(Reload(transformer, data.Schema).Transform(data));

        var expected = rows.Select(row =>
            quantized.Forward(torch.tensor(row.Pixels).reshape(1, 3, size, size)).data<float>().ToArray());
        // Far less than a rounded bias moves them by, and more than sums in another order do.
        var differences = expected.Zip(
            saved, (one, other) => one.Zip(other, (a, b) => Math.Abs(a - b)).Max() / one.Max(Math.Abs));
        Assert.IsLessThan(0.01, differences.Average());
    }

    /// <summary>Two products of matrices, each with a bias that is added to it: [N, 3, 8, 8] to [N, 5].</summary>
    private static Network Perceptron(torch.Generator random)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 3, 8, 8);
        builder.Parameter("first", torch.randn([192, 64], generator: random).mul(0.1));
        builder.Parameter("first.bias", torch.randn([64], generator: random));
        builder.Parameter("second", torch.randn([64, 5], generator: random).mul(0.2));
        builder.Parameter("second.bias", torch.randn([5], generator: random));
        builder.Node("Flatten", "flat", ["input"]);
        builder.Node("MatMul", "product", ["flat", "first"]);
        builder.Node("Add", "hidden", ["first.bias", "product"]);
        builder.Node("Relu", "relu", ["hidden"]);
        builder.Node("MatMul", "last", ["relu", "second"]);
        builder.Node("Add", "scores", ["last", "second.bias"]);
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 5]));
    }

    private static ITransformer Reload(ITransformer transformer, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        new MLContext().Model.Save(transformer, schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }
}
