using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>Networks without ML.NET: built, saved, loaded, scored and merged.</summary>
[TestClass]
public sealed class NetworkTests
{
    private static readonly float[][] _images = [.. RandomImages.Create(6).Select(row => row.Pixels)];

    [TestMethod]
    public void A_built_network_scores_as_calculated_by_hand()
    {
        using var network = Line(2, 3, bias: 0.5f);
        using var input = torch.tensor(new float[] { 1, 10, -4, 0 }, [2, 2]);

        using var scores = network.Forward(input);

        // 2 * 1 + 3 * 10 + 0.5 and 2 * -4 + 3 * 0 + 0.5
        CollectionAssert.AreEqual(new[] { 32.5f, -7.5f }, scores.data<float>().ToArray());
    }

    [TestMethod]
    public void A_saved_network_scores_alike_in_ONNX_Runtime_and_loaded_again()
    {
        using var folder = new TemporaryDirectory();
        using var network = SmallClassifier.Create(seed: 1);
        network.SaveOnnx(folder.Combine("network.onnx"));
        using var loaded = Network.LoadOnnx(folder.Combine("network.onnx"));

        var expected = Scores.ByOnnxRuntime(folder.Combine("network.onnx"), _images);

        Scores.AssertClose(expected, Scores.Of(network, _images));
        Scores.AssertClose(expected, Scores.Of(loaded, _images));
        Assert.AreEqual(network.ParametersSha256(), loaded.ParametersSha256());
    }

    [TestMethod]
    public void A_stream_holds_a_network_too()
    {
        using var network = SmallClassifier.Create(seed: 1);
        using var stream = new MemoryStream();
        network.SaveOnnx(stream, new() { Metadata = new Dictionary<string, string> { ["place"] = "Berlin" } });
        stream.Position = 0;

        using var loaded = Network.LoadOnnx(stream);

        Assert.AreEqual(network.ParametersSha256(), loaded.ParametersSha256());
        Assert.AreEqual("Berlin", loaded.Metadata["place"]);
    }

    [TestMethod]
    public void Merging_takes_the_weighted_mean_of_networks_that_carry_nothing_else()
    {
        using var a = Line(2, 3, bias: 0.5f);
        using var b = Line(6, -1, bias: 1.5f);

        using var equal = NetworkMerger.Merge([a, b]);
        using var weighted = NetworkMerger.Merge([a, b], new() { NetworkWeights = [0.75, 0.25] });

        CollectionAssert.AreEqual(new[] { 4f, 1f }, equal.Parameters["weight"].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 1f }, equal.Parameters["bias"].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 3f, 2f }, weighted.Parameters["weight"].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 0.75f }, weighted.Parameters["bias"].data<float>().ToArray());
    }

    [TestMethod]
    public void Files_of_two_places_merge_to_a_file_that_ONNX_Runtime_scores()
    {
        using var folder = new TemporaryDirectory();
        foreach (var seed in new[] { 1, 2 })
        {
            using var network = SmallClassifier.Create(seed);
            network.SaveOnnx(folder.Combine($"{seed}.onnx"));
        }

        using var first = Network.LoadOnnx(folder.Combine("1.onnx"));
        using var second = Network.LoadOnnx(folder.Combine("2.onnx"));
        using var merged = NetworkMerger.Merge([first, second]);
        merged.SaveOnnx(folder.Combine("merged.onnx"));

        using var mean = first.Parameters["first.weight"].add(second.Parameters["first.weight"]).div(2);
        CollectionAssert.AreEqual(mean.data<float>().ToArray(), merged.Parameters["first.weight"].data<float>().ToArray());
        Scores.AssertClose(Scores.ByOnnxRuntime(folder.Combine("merged.onnx"), _images), Scores.Of(merged, _images));
    }

    [TestMethod]
    public void A_method_of_ones_own_merges_networks()
    {
        using var large = Line(20, 30, bias: 1);
        using var small = Line(2, 3, bias: 0.5f);

        using var merged = NetworkMerger.Merge([large, small], new() { Method = new LeastNormMergeMethod() });

        CollectionAssert.AreEqual(new[] { 2f, 3f }, merged.Parameters["weight"].data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 0.5f }, merged.Parameters["bias"].data<float>().ToArray());
        Assert.AreEqual("least norm", merged.Metadata[NetworkMetadata.MergeMethod]);
    }

    [TestMethod]
    public void Two_networks_are_quantized_saved_and_merged_to_integers()
    {
        using var folder = new TemporaryDirectory();
        using var images = torch.tensor(_images.SelectMany(image => image).ToArray())
            .reshape(_images.Length, SmallClassifier.Channels, SmallClassifier.Size, SmallClassifier.Size);
        foreach (var seed in new[] { 1, 2 })
        {
            using var network = SmallClassifier.Create(seed);
            QuantizationOptions options = seed == 1 ? Quantizing.FourBits
                : new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4 };
            // Moments of so few images are not sent unless they are asked for.
            using var quantized = NetworkQuantizer.Quantize(
                network, images, options with { Moments = new() { MinImages = _images.Length } }, seed);
            quantized.SaveOnnx(folder.Combine($"{seed}.onnx"));
            Assert.AreEqual(seed == 1 ? "HDRQ" : "RTN", quantized.Metadata[NetworkMetadata.Method]);
        }
        using var first = Network.LoadOnnx(folder.Combine("1.onnx"));
        using var second = Network.LoadOnnx(folder.Combine("2.onnx"));

        // Each has weights of its own: they have no common source.
        Assert.Throws<ArgumentException>(() => NetworkMerger.Merge([first, second]));
        using var merged = NetworkMerger.Merge([first, second], new() { AllowDifferentSources = true });
        merged.SaveOnnx(folder.Combine("merged.onnx"));

        Assert.AreEqual("RegMean", merged.Metadata[NetworkMetadata.MergeMethod]);
        // Integers in ONNX Runtime, simulated here: a score differs by a step of its 8 bits at most.
        var (expected, actual) = (Scores.ByOnnxRuntime(folder.Combine("merged.onnx"), _images), Scores.Of(merged, _images));
        var range = expected.Max(scores => scores.Max()) - expected.Min(scores => scores.Min());
        Scores.AssertClose(expected, actual, tolerance: 0.02 * range);
    }

    [TestMethod]
    public void Networks_that_differ_are_refused_with_what_differs()
    {
        using var a = Line(2, 3, bias: 0.5f);
        using var b = SmallClassifier.Create(seed: 1);

        Assert.Throws<ArgumentException>(() => NetworkMerger.Merge([a, b]));
        Assert.Throws<ArgumentException>(() => NetworkMerger.Merge([a]));
    }

    [TestMethod]
    public void A_file_that_is_no_network_is_refused()
    {
        using var stream = new MemoryStream("This is no network."u8.ToArray());

        Assert.Throws<InvalidDataException>(() => Network.LoadOnnx(stream));
    }

    /// <summary>One linear layer: [N, 2] to [N, 1].</summary>
    private static Network Line(float first, float second, float bias)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 2);
        builder.Parameter("weight", torch.tensor(new[] { first, second }, [1, 2]));
        builder.Parameter("bias", torch.tensor(new[] { bias }));
        builder.Node("Gemm", "y", ["x", "weight", "bias"], ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 1]));
    }
}
