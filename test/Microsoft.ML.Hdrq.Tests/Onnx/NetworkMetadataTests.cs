using System.Globalization;
using System.IO.Compression;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Merging;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>What networks say about themselves, and the hash by which they name one another.</summary>
[TestClass]
public sealed class NetworkMetadataTests
{
    [TestMethod]
    public void A_quantized_network_says_how_it_was_made()
    {
        using var scope = torch.NewDisposeScope();
        using var source = SmallNetworks.Residual();
        source.Metadata = source.Metadata.Add("license", "MIT");
        using var quantized = Quantize(source, 4, 1);
        var version = typeof(Network).Assembly.GetName().Version!.ToString(3);
        Assert.AreEqual(
            $"hdrq.activation_bits=6 hdrq.calibration_images=8 hdrq.library_version={version} hdrq.method=RTN "
                + $"hdrq.source_sha256={source.ParametersSha256()} hdrq.threads={torch.get_num_threads()} "
                + "hdrq.weight_bits=4 license=MIT",
            Text(quantized));

        using var directory = new TemporaryDirectory();
        var path = directory.Combine("quantized.onnx");
        quantized.SaveOnnx(path, new()
        {
            Metadata = new Dictionary<string, string> { ["license"] = "none", ["site"] = "A" }
        });
        Assert.AreEqual("none", Network.ReadOnnxMetadata(path)["license"]);
        using var again = Network.LoadOnnx(path);
        Assert.AreEqual(Text(quantized).Replace("MIT", "none site=A", StringComparison.Ordinal), Text(again));
        using var copy = again.Clone();
        Assert.AreEqual(Text(again), Text(copy));
        Assert.AreEqual("hdrq.method", NetworkMetadata.Method);
        Assert.ThrowsExactly<ArgumentNullException>(() => copy.Metadata = null!);
    }

    [TestMethod]
    public void Methods_have_the_names_of_the_field()
    {
        Assert.AreEqual("HDRQ", new HdrqOptions().Method);
        Assert.AreEqual("STE", new HdrqOptions { Training = new() { UseNoise = false } }.Method);
        Assert.AreEqual("RTN", new RoundToNearestOptions().Method);
        Assert.AreEqual("RTN", new HdrqOptions { Training = new() { Iterations = 0 } }.Method);
        Assert.AreEqual("AdaRound", new AdaRoundOptions().Method);
        Assert.AreEqual("QDrop", new QDropOptions().Method);
        Assert.AreEqual("BRECQ", new QDropOptions { Training = new() { DropProbability = 0 } }.Method);
        Assert.AreEqual("BRECQ", new BrecqOptions().Method);
    }

    [TestMethod]
    public void A_merged_network_names_its_parents_from_memory_and_from_files_alike()
    {
        using var scope = torch.NewDisposeScope();
        using var source = SmallNetworks.Residual();
        using var other = source.Clone();
        using (torch.no_grad())
            other.Parameters["linear.weight"].add_(0.01f);
        using var a = Quantize(source, 4, 1);
        using var b = Quantize(other, 4, 2);
        a.Metadata = a.Metadata.Add("license", "MIT").Add("site", "A");
        b.Metadata = b.Metadata.Add("license", "MIT").Add("site", "B");
        var options = new MergeOptions { NetworkWeights = [0.25, 0.75], AllowDifferentSources = true };
        using var merged = NetworkMerger.Merge([a, b], options);
        var (hashOfA, hashOfB) = (a.ParametersSha256(), b.ParametersSha256());
        Assert.AreEqual($"{hashOfB} {hashOfA}", merged.Metadata[NetworkMetadata.Merged]);
        Assert.AreEqual("0.75 0.25", merged.Metadata[NetworkMetadata.MergeWeights]);
        Assert.AreEqual("RTN", merged.Metadata[NetworkMetadata.Method]);
        Assert.AreEqual("MIT", merged.Metadata["license"]);
        // What they do not say alike is said of none.
        Assert.IsFalse(merged.Metadata.ContainsKey("site"));
        Assert.IsFalse(merged.Metadata.ContainsKey(NetworkMetadata.Source));

        using var fromA = Load(Save(a));
        using var fromB = Load(Save(b));
        using var fromFiles = NetworkMerger.Merge(
            [fromB, fromA], new() { NetworkWeights = [0.75, 0.25], AllowDifferentSources = true });
        Assert.AreEqual(Text(merged), Text(fromFiles));
        MergeCase.AssertSame(merged, fromFiles);

        // It makes no difference to anything else.
        fromA.Metadata = fromB.Metadata = fromA.Metadata.Clear();
        using var silent = NetworkMerger.Merge([fromA, fromB], options);
        MergeCase.AssertSame(merged, silent);
        Assert.IsNull(merged.Graph.FirstDifference(silent.Graph));
    }

    [TestMethod]
    public void A_saved_pipeline_says_it_too()
    {
        using var directory = new TemporaryDirectory();
        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(12));
        var pipeline = ml.Transforms.ApplyNetwork("Source", "Pixels", network)
            .Append(ml.Transforms.QuantizeHdrq(
                "A", "Source", new() { WeightBits = 4, Training = new() { Iterations = 2 } }, rows: new() { Seed = 1 }))
            .Append(ml.Transforms.QuantizeHdrq(
                "B", "Source", new() { WeightBits = 4, Training = new() { Iterations = 2 } }, rows: new() { Seed = 2 }))
            .Append(ml.Transforms.MergeNetworks("Score", "A", "B"));
        using var model = pipeline.Fit(data);
        var path = directory.Combine("model.zip");
        ml.Model.Save(model.Only(data.Schema, "Score"), data.Schema, path);

        var metadata = ModelProto.Parser.ParseFrom(Onnx(path)).MetadataProps.ToDictionary(
            entry => entry.Key, entry => entry.Value);
        Assert.AreEqual("HDRQ", metadata[NetworkMetadata.Method]);
        Assert.AreEqual("12", metadata[NetworkMetadata.CalibrationImages]);
        Assert.AreEqual(network.ParametersSha256(), metadata[NetworkMetadata.Source]);
        Assert.HasCount(2, metadata[NetworkMetadata.Merged].Split(' '));
        var loaded = ml.Model.Load(path, out _);
        Assert.IsNotNull(loaded.Transform(data).Schema.GetColumnOrNull("Score"));
        ml.Model.Save(loaded, data.Schema, directory.Combine("again.zip"));
        CollectionAssert.AreEqual(Onnx(path), Onnx(directory.Combine("again.zip")));

        static byte[] Onnx(string path)
        {
            using var zip = ZipFile.OpenRead(path);
            using var stream = zip.Entries.Single(entry => entry.Name == "OnnxModel").Open();
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray()[sizeof(int)..];
        }
    }

    [TestMethod]
    public void A_hash_is_that_of_the_numbers_and_survives_files()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var hash = network.ParametersSha256();
        Assert.IsTrue(hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower));
        using var again = Load(Save(network));
        Assert.AreEqual(hash, again.ParametersSha256());
        for (var bits = QuantizationRange.MinBits; bits <= QuantizationRange.MaxBits; bits++)
        {
            using var quantized = Quantize(network, bits, 1);
            foreach (var opset in new int?[] { null, 13 })
            {
                using var read = Load(Save(quantized, opset));
                Assert.AreEqual(quantized.ParametersSha256(), read.ParametersSha256());
            }
            Assert.AreNotEqual(hash, quantized.ParametersSha256());
        }
        using (torch.no_grad())
            again.Parameters["linear.weight"][0, 0] = 3;
        Assert.AreNotEqual(hash, again.ParametersSha256());
        LiveTensors.AssertUnchanged(() => network.ParametersSha256());
        network.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => network.ParametersSha256());
    }

    [TestMethod]
    public void A_hash_by_hand()
    {
        using var builder = new NetworkBuilder();
        builder.Node("Add", "y", [builder.Input("x", -1, 2), builder.Parameter("b", torch.tensor(new[] { 1f, -0f }))]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
        // The name of one letter, type 1, one size, 2, and the numbers 1 and 0.
        byte[] bytes = [.. Long(1), (byte)'b', .. Long(1), .. Long(1), .. Long(2), 0, 0, 0x80, 0x3f, 0, 0, 0, 0];
        Assert.AreEqual(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)),
            network.ParametersSha256());

        static byte[] Long(byte value) => [value, 0, 0, 0, 0, 0, 0, 0];
    }

    [TestMethod]
    public void Of_a_name_that_is_given_twice_the_last_value_counts()
    {
        var model = ModelOf(13, [-1, 4], Node("Relu", "x", "y"));
        model.MetadataProps.Add([new StringStringEntryProto { Key = "a", Value = "1" },
            new StringStringEntryProto { Key = "a", Value = "2" },
            new StringStringEntryProto { Key = "", Value = "" }]);
        using var network = Load(model.ToByteArray());
        Assert.AreEqual("= a=2", Text(network));
    }

    private static string Text(Network network) =>
        string.Join(' ', network.Metadata.Select(
        entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Key}={entry.Value}")));

    private static Network Quantize(Network network, int bits, int seed) => NetworkQuantizer.Quantize(
        network, SmallNetworks.Random(seed, 8, 3, 8, 8),
        SmallNetworks.Nearest with { WeightBits = bits, ActivationBits = 6 }, seed);
}
