using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>The names of classes: they are kept with the network, and say which output is which class.</summary>
[TestClass]
public sealed class ClassNamesTests
{
    /// <summary>Names that JSON must escape, and names that it need not.</summary>
    private static readonly string[] _names = ["cat", "a \"dog\"", @"back\slash", "Straße", "line\nbreak"];

    private const string Json = """["cat","a \"dog\"","back\\slash","Straße","line\nbreak"]""";

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    public void Names_travel_with_the_network_through_all_steps_and_files()
    {
        using var folder = new TemporaryDirectory();
        var data = Images.View(_ml, Images.Rows(12));
        using var network = TestNetworks.Classifier();
        using var source = _ml.Transforms.ApplyNetwork("Source", "Pixels", network, new() { ClassNames = _names }).Fit(data);
        Assert.IsNull(network.ClassNames);
        var keys = _ml.Data.LoadFromEnumerable(
            Images.Rows(12).Select(row => new KeyedRow { Pixels = row.Pixels, Label = (uint)row.Number % 5 }));
        using var adapted = _ml.Transforms.AdaptNetwork("Adapted", "Source", new() { Epochs = 1 })
            .Fit(source.Transform(keys));
        using var quantized = _ml.Transforms.QuantizeHdrq(
            "Quantized", "Adapted", new() { Training = new() { Iterations = 1 } })
            .Fit(adapted.Transform(source.Transform(keys)));
        using var nearest = _ml.Transforms.QuantizeNetwork("Nearest", "Source", new RoundToNearestOptions())
            .Fit(source.Transform(keys));
        using var merged = NetworkMerger.Merge([quantized.Network, nearest.Network]);
        foreach (var each in new[] { source.Network, adapted.Network, quantized.Network, nearest.Network, merged })
        {
            CollectionAssert.AreEqual(_names, each.ClassNames!.ToArray());
            Assert.AreEqual(Json, each.Metadata[NetworkMetadata.ClassNames]);
            var path = folder.Combine("network.onnx");
            each.SaveOnnx(path);
            // The entry of the file is UTF-8 text; a JSON array, as other programs read it.
            using var session = new OnnxRuntime.InferenceSession(path);
            Assert.AreEqual(Json, session.ModelMetadata.CustomMetadataMap["hdrq.class_names"]);
            using var loaded = Network.LoadOnnx(path);
            CollectionAssert.AreEqual(_names, loaded.ClassNames!.ToArray());
            using var copy = loaded.Clone();
            CollectionAssert.AreEqual(_names, copy.ClassNames!.ToArray());
        }

        // A network that has names is applied with them.
        using var again = _ml.Transforms.ApplyNetwork("Score", "Pixels", quantized.Network).Fit(data);
        CollectionAssert.AreEqual(_names, again.ClassNames.ToArray());
        CollectionAssert.AreEqual(_names, KeyValues(again.Transform(data).Schema["PredictedLabel"]));
        using var fromNetworks = _ml.Transforms.MergeNetworks("Score", "Pixels", quantized.Network, nearest.Network)
            .Fit(data);
        CollectionAssert.AreEqual(_names, fromNetworks.ClassNames.ToArray());
    }

    [TestMethod]
    public void A_network_without_names_takes_those_of_the_others()
    {
        var data = Images.View(_ml, Images.Rows(2));
        using var unnamed = TestNetworks.Classifier();
        using var named = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", unnamed, new() { ClassNames = Images.ClassNames }).Fit(data);
        using var merged = _ml.Transforms.MergeNetworks("Score", "Pixels", unnamed, named.Network).Fit(data);
        CollectionAssert.AreEqual(Images.ClassNames, merged.ClassNames.ToArray());
        using var given = _ml.Transforms.MergeNetworks(
            "Score", "Pixels", [unnamed, unnamed], new(), new() { ClassNames = Images.ClassNames }).Fit(data);
        CollectionAssert.AreEqual(Images.ClassNames, given.Network.ClassNames!.ToArray());
    }

    [TestMethod]
    public void Other_names_than_those_of_the_network_are_refused()
    {
        var data = Images.View(_ml, Images.Rows(2));
        using var network = TestNetworks.Classifier();
        using var named = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", network, new() { ClassNames = ["a", "b", "c", "d", "e"] }).Fit(data);
        AssertRefused("class 1 is 'B' and 'b'", "a", "B", "c", "d", "e");
        AssertRefused("the same names are in another order, class 2 is 'd' and 'c'", "a", "b", "d", "c", "e");
        AssertRefused("there are 4 and 5 classes", "a", "b", "c", "d");
        using var same = _ml.Transforms.ApplyNetwork(
            "Score", "Pixels", named.Network, new() { ClassNames = ["a", "b", "c", "d", "e"] }).Fit(data);
        // For merging, any of the networks may have them.
        var merging = _ml.Transforms.MergeNetworks(
            "Score", "Pixels", [network, named.Network], new(), new() { ClassNames = ["e", "d", "c", "b", "a"] });
        Assert.Contains("class 0 is 'e' and 'a'",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => merging.Fit(data)).Message);

        void AssertRefused(string part, params string[] names)
        {
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.ApplyNetwork("Score", "Pixels", named.Network, new() { ClassNames = names }));
            Assert.AreEqual("ClassNames", error.ParamName);
            Assert.Contains(part, error.Message);
        }
    }

    [TestMethod]
    public void Networks_of_other_classes_are_not_merged()
    {
        using var network = TestNetworks.Classifier();
        using var a = Named("cat", "dog", "horse", "cow", "pig");
        using var permuted = Named("cat", "dog", "cow", "horse", "pig");
        using var other = Named("cat", "dog", "horse", "cow", "goat");
        AssertRefused(
            permuted,
            "Networks 1 and 2 do not have the same classes: the same names are in another order, class 2 is 'horse' and 'cow'.");
        AssertRefused(other, "Networks 1 and 2 do not have the same classes: class 4 is 'pig' and 'goat'.");
        using var merged = NetworkMerger.Merge([network, a, network]);
        CollectionAssert.AreEqual(a.ClassNames!.ToArray(), merged.ClassNames!.ToArray());

        void AssertRefused(Network second, string message) =>
            Assert.StartsWith(message, Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([network, a, second])).Message);

        Network Named(params string[] names)
        {
            var named = network.Clone();
            named.Metadata = named.Metadata.SetItem(
                NetworkMetadata.ClassNames, $"[{string.Join(", ", names.Select(name => $"\"{name}\""))}]");
            return named;
        }
    }

    [TestMethod]
    [DataRow("cat, dog")]
    [DataRow("[\"cat\", \"cat\"]")]
    [DataRow("[\"cat\", null]")]
    [DataRow("[]")]
    [DataRow("null")]
    [DataRow("{}")]
    public void A_file_with_other_names_than_names_is_refused(string names)
    {
        using var network = TestNetworks.Classifier();
        var metadata = network.Metadata.Add(NetworkMetadata.ClassNames, names);
        Assert.Contains("hdrq.class_names",
            Assert.ThrowsExactly<ArgumentException>(() => network.Metadata = metadata).Message);
        Assert.IsEmpty(network.Metadata);
        using var file = new MemoryStream();
        network.SaveOnnx(file, new() { Metadata = metadata });
        file.Position = 0;
        Assert.Contains("hdrq.class_names",
            Assert.ThrowsExactly<InvalidDataException>(() => Network.LoadOnnx(file)).Message);
    }

    private static string[] KeyValues(DataViewSchema.Column column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.GetKeyValues(ref values);
        return [.. values.DenseValues().Select(value => value.ToString())];
    }

    private sealed class KeyedRow
    {
        [VectorType(3, 8, 8)]
        public float[] Pixels { get; set; } = [];

        [KeyType(5)]
        public uint Label { get; set; }
    }
}
