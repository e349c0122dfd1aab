using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>
/// What would train, merge or quantize something senseless in silence is refused with a sentence that names it, or done
/// right.
/// </summary>
[TestClass]
public sealed class RefusedInputTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        [KeyType(5)]
        public uint Label { get; set; }

        [VectorType(8, 8)]
        public byte[] Mask { get; set; } = [];
    }

    [TestMethod]
    [DataRow("Softmax", false)]
    [DataRow("Softmax", true)]
    [DataRow("Sigmoid", false)]
    public void A_network_that_gives_probabilities_is_trained_as_the_one_that_gives_their_logits(string function, bool masks)
    {
        using var logits = masks ? TestNetworks.Segmenter() : TestNetworks.Classifier();
        using var probabilities = EndingIn(logits, function);
        var data = Data();
        var (expected, expectedLoss) = Train(logits);
        var (actual, loss) = Train(probabilities);
        Assert.AreEqual(expectedLoss, loss, 1e-6);
        foreach (var (name, tensor) in expected.Network.Parameters)
            CollectionAssert.AreEqual(tensor.bytes.ToArray(), actual.Network.Parameters[name].bytes.ToArray(), name);
        // Its scores are still what the network gives.
        var scores = Images.Scores(actual.Transform(data));
        Assert.IsTrue(scores.All(row => row.All(score => score is >= 0 and <= 1)));
        if (function == "Softmax" && !masks)
            Assert.IsTrue(scores.All(row => Math.Abs(row.Sum() - 1) < 1e-5));
        expected.Dispose();
        actual.Dispose();

        (NetworkTransformer Adapted, double Loss) Train(Network network)
        {
            var losses = new List<double>();
            using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
            var options = new AdaptationOptions
            {
                Epochs = 2,
                LearningRate = 0.01,
                Progress = new Report<FineTuningProgress>(step => losses.Add(step.Loss))
            };
            var adapted = _ml.Transforms.AdaptNetwork(
                "Score", "Source", options, new() { Seed = 1, LabelColumnName = masks ? "Mask" : "Label" })
                .Fit(source.Transform(data));
            return (adapted, losses[0]);
        }
    }

    [TestMethod]
    public void Analyses_measure_the_loss_of_logits_and_probabilities_stay_what_they_are()
    {
        using var logits = TestNetworks.Classifier();
        using var probabilities = EndingIn(logits, "Softmax");
        var data = Data();
        using var first = _ml.Transforms.ApplyNetwork("Logits", "Pixels", logits, new() { Softmax = true }).Fit(data);
        using var second = _ml.Transforms.ApplyNetwork(
            "Probabilities", "Pixels", probabilities, new() { Softmax = true }).Fit(data);
        var scored = second.Transform(first.Transform(data));
        Images.AssertClose(Images.Scores(scored, "Logits"), Images.Scores(scored, "Probabilities"), 1e-5f);
        var losses = _ml.Model.CompareNetworks(scored, ["Logits", "Probabilities"]).Networks.Select(
            network => network.Loss).ToArray();
        Assert.AreEqual(losses[0], losses[1], 1e-6);
    }

    [TestMethod]
    [DataRow(10)]
    [DataRow(2)]
    public void An_output_that_is_declared_with_other_classes_than_it_has_is_named(long declared)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3, 8, 8);
        var pooled = builder.Node("Flatten", "flat", [builder.Node("GlobalAveragePool", "pool", ["x"])]);
        builder.Node("MatMul", "scores", [pooled, builder.Parameter("weight", torch.ones(3, 5))]);
        using var network = builder.Build(new GraphValue("scores", ElementType.Float32, [-1, declared]));
        var ml = new MLContext(1);
        var exception = Assert.ThrowsExactly<InvalidOperationException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(Images.View(ml, Images.Rows(2))));
        Assert.AreEqual(
            $"The network's output is declared as scores: Float32[?, {declared}], and it gave [5] for every row.",
            exception.Message);
    }

    [TestMethod]
    public void Networks_of_different_sources_are_merged_only_if_that_is_wanted()
    {
        var data = Data();
        using var one = ResNet.Cifar(8, 5, seed: 1, width: 2, inputSize: 8);
        using var two = ResNet.Cifar(8, 5, seed: 2, width: 2, inputSize: 8);
        using var a = Adapted(one, 1);
        using var b = Adapted(one, 2);
        using var other = Adapted(two, 1);
        Assert.AreEqual(one.ParametersSha256(), a.Metadata[NetworkMetadata.Source]);
        // What is adapted and quantized elsewhere still knows where it comes from.
        using var again = Adapted(a, 3);
        using var images = torch.zeros(2, 3, 8, 8);
        using var quantized = NetworkQuantizer.Quantize(again, images, new RoundToNearestOptions());
        Assert.AreEqual(one.ParametersSha256(), quantized.Metadata[NetworkMetadata.Source]);
        NetworkMerger.Merge([a, b, again]).Dispose();
        var message = Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([a, b, other])).Message;
        foreach (var part in new[] { "Networks 0 and 2", one.ParametersSha256(), two.ParametersSha256(),
            "AllowDifferentSources" })
            Assert.Contains(part, message);
        using var merged = NetworkMerger.Merge([a, other], new() { AllowDifferentSources = true });
        Assert.IsFalse(merged.Metadata.ContainsKey(NetworkMetadata.Source));
        // Nothing is known of these.
        NetworkMerger.Merge([one, two, a]).Dispose();

        Network Adapted(Network network, int seed)
        {
            using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
            using var adapted = _ml.Transforms.AdaptNetwork(
                "Score", "Source", new() { Epochs = 1 }, new() { Seed = seed }).Fit(source.Transform(data));
            return adapted.Network.Clone();
        }
    }

    [TestMethod]
    public void A_pattern_that_matches_no_layer_is_named_before_rows_are_read()
    {
        using var network = TestNetworks.Classifier();
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        var options = new RoundToNearestOptions
        {
            Overrides = [new("conv") { WeightBits = 4 }, new("^con$") { Skip = true }]
        };
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.QuantizeNetwork(
                "Score", "Source", options, new() { DomainColumnName = "Nowhere", Domain = "none" })
            .Fit(source.Transform(data)));
        Assert.AreEqual("Overrides", error.ParamName);
        Assert.Contains("The pattern '^con$' of Overrides matches none of the network's 2 layers ('conv', 'scores').",
            error.Message);
        // A pattern may match what an earlier one has matched already.
        using var quantized = _ml.Transforms.QuantizeNetwork(
            "Score", "Source", options with { Overrides = [new("conv"), new("co")] }).Fit(source.Transform(data));
    }

    [TestMethod]
    public void Masks_of_0_and_255_are_not_trained_as_one_class()
    {
        using var network = TestNetworks.Segmenter();
        var data = Data(mask: pixel => pixel % 2 == 0 ? (byte)255 : (byte)0);
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        var message = Assert.ThrowsExactly<InvalidOperationException>(
            () => _ml.Transforms.AdaptNetwork("Score", "Source", rows: new() { LabelColumnName = "Mask" })
            .Fit(source.Transform(data))).Message;
        foreach (var part in new[] { "'Mask'", "255", "ignored", "MaskLoadingOptions.ClassMap", "{ [0] = 0, [255] = 1 }" })
            Assert.Contains(part, message);
    }

    [TestMethod]
    public void A_quantized_network_is_neither_quantized_again_nor_merged_with_one_in_full_precision()
    {
        using var network = TestNetworks.Classifier();
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var quantized = _ml.Transforms.QuantizeNetwork("Quantized", "Source", new RoundToNearestOptions())
            .Fit(source.Transform(data));
        var scored = quantized.Transform(source.Transform(data));
        Assert.StartsWith("The network is quantized already, by RTN;",
            Assert.ThrowsExactly<ArgumentException>(
                () => _ml.Transforms.QuantizeHdrq("Score", "Quantized").Fit(scored)).Message);
        Assert.StartsWith(
            "Networks 'Source' and 'Quantized' cannot be merged, because network 'Quantized' is quantized, and network 'Source' is not.",
            Assert.ThrowsExactly<ArgumentException>(
                () => _ml.Transforms.MergeNetworks("Score", "Source", "Quantized").Fit(scored)).Message);
        Assert.StartsWith(
            "Networks 0 and 1 cannot be merged, because network 0 is quantized, and network 1 is not.",
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge([quantized.Network, network])).Message);
    }

    [TestMethod]
    public void A_network_is_normalized_once()
    {
        using var network = TestNetworks.Classifier();
        var data = Data();
        var options = new ScoringOptions { Normalization = new([0.5f, 1, 2], [1, 2, 0.25f]) };
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network, options).Fit(data);
        using var adapted = _ml.Transforms.AdaptNetwork("Score", "Source", new() { Epochs = 1 }).Fit(source.Transform(data));
        foreach (var normalized in new[] { source.Network, adapted.Network })
        {
            Assert.AreEqual("mean 0.5 1 2, deviation 1 2 0.25", normalized.Metadata[NetworkMetadata.Normalization]);
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.ApplyNetwork("Score", "Pixels", normalized, options));
            Assert.AreEqual("Normalization", error.ParamName);
            Assert.Contains("the network normalizes its input itself (mean 0.5 1 2, deviation 1 2 0.25)", error.Message);
        }
    }

    [TestMethod]
    public void Channels_are_normalized_where_they_are_the_last_dimension()
    {
        using var builder = new NetworkBuilder();
        builder.Node("Flatten", "y", [builder.Input("x", -1, 8, 4, 3)]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 96]));
        var rows = Images.Rows(2, pixels: 96);
        var data = Images.View(_ml, rows, 8, 4, 3);
        float[] mean = [1, 2, 3], deviation = [2, 4, 8];
        using var transformer = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { Normalization = new(mean, deviation) }).Fit(data);
        var expected = rows.Select(row =>
            row.Pixels.Select((pixel, i) => (pixel - mean[i % 3]) / deviation[i % 3]).ToArray()).ToArray();
        Images.AssertClose(expected, Images.Scores(transformer.Transform(data)), 1e-6f);
        Assert.Contains("Normalization has 5 channels",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.ApplyNetwork(
                    "Score", "Pixels", network,
                    new() { Normalization = new([1, 1, 1, 1, 1], [1, 1, 1, 1, 1]) })).Message);
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void Values_that_are_not_finite_are_named(float value)
    {
        using var network = TestNetworks.Classifier();
        using var broken = network.Clone();
        broken.Parameters["bn.variance"][3] = value;
        var data = Data();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        using var brokenSource = _ml.Transforms.ApplyNetwork("Source", "Pixels", broken).Fit(data);
        foreach (IEstimator<NetworkTransformer> step in new IEstimator<NetworkTransformer>[] {
            _ml.Transforms.AdaptNetwork("Score", "Source"), _ml.Transforms.QuantizeHdrq("Score", "Source") })
        {
            Assert.StartsWith("Parameter 'bn.variance' of the network holds a value that is not finite.",
                Assert.ThrowsExactly<ArgumentException>(() => step.Fit(brokenSource.Transform(data))).Message);
            Assert.Contains("Row 5 of column 'Pixels' has values that are not finite",
                Assert.ThrowsExactly<InvalidOperationException>(
                    () => step.Fit(source.Transform(Data(pixel: value)))).Message);
        }
        using var images = torch.zeros(3, 3, 8, 8);
        images[2, 1, 1, 1] = value;
        Assert.StartsWith("Image 2 has values that are not finite",
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkQuantizer.Quantize(network, images, new RoundToNearestOptions())).Message);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void An_image_file_that_is_missing_or_broken_is_named(bool missing)
    {
        using var folder = new TemporaryDirectory();
        var files = Enumerable.Range(0, 6).Select(number => new FileRow { Path = folder.Combine($"{number}.png") })
            .ToArray();
        foreach (var file in files)
        {
            using var image = MLImage.CreateFromPixels(8, 8, MLPixelFormat.Rgba32, new byte[256]);
            image.Save(file.Path);
        }
        if (missing)
            File.Delete(files[4].Path);
        else
            File.WriteAllText(files[4].Path, "This is no image.");
        using var network = TestNetworks.Classifier();
        var data = _ml.Data.LoadFromEnumerable(files);
        using var model = _ml.Transforms.LoadImages("Image", null, "Path")
            .Append(_ml.Transforms.ResizeImages("Image", 8, 8)).Append(_ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(_ml.Transforms.ApplyNetwork("Source", "Pixels", network)).Fit(data);
        var message = Assert.ThrowsExactly<InvalidOperationException>(
            () => _ml.Transforms.QuantizeHdrq("Score", "Source").Fit(model.Transform(data))).Message;
        Assert.AreEqual(
            $"The rows of column 'Pixels' cannot be read: row 4 names the file '{files[4].Path}' in column 'Path', "
                + (missing ? "which does not exist." : "which is not an image that can be read."),
            message);
    }

    [TestMethod]
    public void A_mask_that_is_missing_is_named()
    {
        using var network = TestNetworks.Segmenter();
        var rows = Images.Rows(3);
        foreach (var row in rows)
            row.Name = Path.Combine(Path.GetTempPath(), "nowhere", $"{row.Number}.png");
        var data = _ml.Transforms.LoadMasks("Label", "Name", 8, 8).Fit(Images.View(_ml, rows))
            .Transform(Images.View(_ml, rows));
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network).Fit(data);
        Assert.Contains(rows[0].Name,
            Assert.Throws<Exception>(() =>
                _ml.Transforms.AdaptNetwork("Score", "Source").Fit(source.Transform(data))).Message);
    }

    [TestMethod]
    [DataRow("no_grad")]
    [DataRow("inference_mode")]
    [DataRow("float64")]
    public void What_the_application_sets_in_Torch_changes_nothing_and_is_restored(string mode)
    {
        using var network = TestNetworks.Classifier();
        var expected = Fit();
        var type = torch.get_default_dtype();
        try
        {
            using var grad = mode == "no_grad" ? torch.no_grad() : null;
            using var inference = mode == "inference_mode" ? torch.inference_mode(true) : null;
            if (mode == "float64")
                torch.set_default_dtype(torch.ScalarType.Float64);
            CollectionAssert.AreEqual(expected, Fit());
            Assert.AreEqual(mode == "float64", torch.is_grad_enabled());
            Assert.AreEqual(mode == "float64" ? torch.ScalarType.Float64 : type, torch.get_default_dtype());
        }
        finally
        {
            torch.set_default_dtype(type);
        }

        byte[] Fit()
        {
            var ml = new MLContext(1);
            var data = Data();
            using var model = ml.Transforms.ApplyNetwork("Source", "Pixels", network)
                .Append(ml.Transforms.AdaptNetwork("A", "Source", new() { Epochs = 1 }))
                .Append(ml.Transforms.QuantizeHdrq("B", "A", new() { Training = new() { Iterations = 2 } }))
                .Append(ml.Transforms.QuantizeNetwork("C", "A", new RoundToNearestOptions()))
                .Append(ml.Transforms.MergeNetworks("Score", "B", "C")).Fit(data);
            var scored = model.Transform(data);
            var scores = Images.Scores(scored).SelectMany(row => row).ToArray();
            var curvature = ml.Model.MeasureCurvature(scored, "A", new() { Probes = 1, PowerIterations = 0 });
            return [.. model.LastTransformer.Network.Parameters.Values.SelectMany(tensor => tensor.bytes.ToArray()),
                .. System.Runtime.InteropServices.MemoryMarshal.AsBytes(scores.AsSpan()),
                .. BitConverter.GetBytes(curvature.Whole.Trace)];
        }
    }

    private sealed class FileRow
    {
        public string Path { get; set; } = "";
    }

    private IDataView Data(Func<int, byte>? mask = null, float? pixel = null)
    {
        var random = new Random(1);
        return _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 12).Select(i => new Row
        {
            Pixels = [.. Enumerable.Range(0, 192)
                .Select(p => pixel is { } value && i == 5 && p == 7 ? value : random.NextSingle())],
            Label = (uint)(i % 5),
            Mask = [.. Enumerable.Range(0, 64).Select(p => mask?.Invoke(p) ?? (byte)(p % 4))],
        }).ToArray());
    }

    /// <summary>A network with a function at its end that gives probabilities of its scores.</summary>
    private static Network EndingIn(Network network, string function)
    {
        using var builder = new NetworkBuilder();
        var output = network.Graph.Outputs[0];
        builder.Input(network.Graph.Inputs[0].Name, network.Graph.Inputs[0].Shape);
        foreach (var definition in network.Graph.Parameters)
            builder.Parameter(definition.Name, network.Parameters[definition.Name].clone(), definition.Role);
        foreach (var node in network.Graph.Nodes)
            builder.Node(node);
        var probabilities = function == "Softmax"
            ? builder.Node(function, "probabilities", [output.Name], ("axis", 1L))
            : builder.Node(function, "probabilities", [output.Name]);
        // What only moves the probabilities does not hide them.
        return builder.Build(new GraphValue(
            builder.Node("Identity", "moved", [probabilities]), ElementType.Float32, output.Shape));
    }
}
