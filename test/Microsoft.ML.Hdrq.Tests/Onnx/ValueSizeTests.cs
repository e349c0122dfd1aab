using System.Diagnostics;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tests.Pipeline;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>One limit on what a value may take, in files, at constant folding and in both engines.</summary>
[TestClass]
public sealed class ValueSizeTests
{
    private const long Allowed = 256 << 20;

    /// <summary>Small files whose sizes are known when they are read.</summary>
    private static IEnumerable<TestDataRow<(string Node, string Size, byte[] Model)>> Constants =>
    [
        Constant("ConstantOfShape", "[30000, 30000] and type Float32 takes 3600000000 bytes",
            Longs("s", 30_000, 30_000), Node("ConstantOfShape", "s", "c")),
        Constant("Expand", "[2147483648] and type Float32 takes 8589934592 bytes",
            Floats("one", [1], 1), Longs("s", 1L << 31), Node("Expand", "one s", "c")),
        Constant("Pad", "[20000, 20001] and type Float32 takes 1600080000 bytes",
            Floats("one", [1, 1], 1), Longs("p", 9_999, 20_000, 10_000, 0), Node("Pad", "one p", "c")),
        Constant("Tile", "[1, 1000000000] and type Float32 takes 4000000000 bytes",
            Floats("one", [1], 1), Longs("r", 1_000_000_000), Node("Tile", "one r", "c")),
    ];

    /// <summary>Small files whose sizes depend on the input.</summary>
    private static IEnumerable<TestDataRow<(string Node, byte[] Model)>> Computed =>
    [
        Input("Conv", Floats("w", [1, 3, 1, 1], 1, 1, 1),
            Node("Conv", "x w", "c", ("pads", new[] { 20_000L, 20_000, 20_000, 20_000 }))),
        Input("Pad", Longs("p", 0, 0, 20_000, 20_000, 0, 0, 20_000, 20_000), Node("Pad", "x p", "c")),
        Input("MaxPool", Node("MaxPool", "x", "c", ("kernel_shape", new[] { 1L, 1 }),
            ("pads", new[] { 0L, 0, 20_000, 20_000 }))),
        Input("AveragePool", Node("AveragePool", "x", "c", ("kernel_shape", new[] { 30_000L, 30_000 }),
            ("pads", new[] { 29_999L, 29_999, 0, 0 }))),
        Input("Expand", Longs("s", 1, 1, 1L << 16, 1L << 15, 1), Node("Unsqueeze", "x axes", "u"), Longs("axes", 2),
            Node("ReduceSum", "u last", "r", ("keepdims", 1)), Longs("last", 3, 4), Node("Expand", "r s", "c")),
        Input("Resize", Floats("k", [4], 1, 1, 5_000, 5_000), Node("Resize", "x _ k", "c")),
        Input("Tile", Longs("r", 1, 1, 5_000, 5_000), Node("Tile", "x r", "c")),
        Input("ConvTranspose", Floats("w", [3, 1, 1, 1], 1, 1, 1),
            Node("ConvTranspose", "x w", "c", ("strides", new[] { 5_000L, 5_000 }))),
        Input("Concat", Longs("s", 1, 3, 8, 1 << 18), Node("ReduceMax", "x", "r", ("axes", new[] { -1L })),
            Node("Expand", "r s", "e"),
            Node("Concat", string.Join(' ', Enumerable.Repeat("e", 100)), "c", ("axis", 2))),
    ];

    [TestMethod]
    [DynamicData(nameof(Constants))]
    [Timeout(10_000)]
    public void Constants_are_refused_when_they_are_read(string node, string size, byte[] model)
    {
        var before = Resident();
        InvalidDataException? refusal = null;
        LiveTensors.AssertUnchanged(
            () => refusal = Assert.ThrowsExactly<InvalidDataException>(() => Load(model)));
        StringAssert.Contains(refusal!.Message, $"Node '{node}-c' ({node})");
        StringAssert.Contains(
            refusal.Message, $"{size}, more than the 1073741824 bytes that MaxValueSize allows for 1 row");
        Assert.IsLessThan(Allowed, Resident() - before);
    }

    [TestMethod]
    [DynamicData(nameof(Computed))]
    [Timeout(20_000)]
    public void What_depends_on_the_input_is_refused_before_the_engine_is_made(string node, byte[] model)
    {
        using var network = Load(model);
        var before = Resident();
        using var input = torch.zeros(1, 3, 8, 8);
        var refusal = Assert.ThrowsExactly<InvalidOperationException>(() => network.Forward(input));
        StringAssert.Contains(refusal.Message, $"({node})");
        StringAssert.Contains(refusal.Message, "more than the 1073741824 bytes that MaxValueSize allows for 1 row");
        var ml = new MLContext(1);
        var data = Images.View(ml, Images.Rows(2));
        foreach (var engine in Enum.GetValues<ScoringEngineKind>())
        {
            refusal = Assert.ThrowsExactly<InvalidOperationException>(
                () => ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Engine = engine }).Fit(data));
            StringAssert.Contains(refusal.Message, "more than the 2147483648 bytes that MaxValueSize allows for 2 rows");
        }
        Assert.IsLessThan(Allowed, Resident() - before);
    }

    [TestMethod]
    [Timeout(20_000)]
    public void An_external_file_that_takes_no_room_on_the_disk_takes_none_in_memory()
    {
        using var folder = new TemporaryDirectory();
        using (var sparse = File.Create(folder.Combine("w.bin")))
            sparse.SetLength(2_000_000_000);
        var tensor = new TensorProto
        {
            Name = "w",
            DataType = (int)ElementType.Float32,
            Dims = { 500_000_000 },
            DataLocation = TensorProto.Types.DataLocation.External,
            ExternalData = { new StringStringEntryProto { Key = "location", Value = "w.bin" } },
        };
        var before = Resident();
        var refusal = AssertMalformed(ModelOf(13, [1], tensor, Node("Mul", "x w", "y")), folder.Path);
        Assert.AreEqual(
            "Tensor 'w' takes 2000000000 bytes, more than the 1073741824 bytes that OnnxLoadOptions.MaxValueSize allows.",
            refusal.Message);
        Assert.IsLessThan(Allowed, Resident() - before);
    }

    [TestMethod]
    public void The_caller_sets_the_limit_and_copies_keep_it()
    {
        using var network = TestNetworks.Classifier();
        Assert.AreEqual(1L << 30, network.MaxValueSize);
        var file = Save(network);
        // The largest value of the file is the linear layer's weight, 5 x 128 floats.
        using var loaded = Loaded(file, 2560);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidDataException>(() => Loaded(file, 2559)).Message, "takes 2560 bytes");
        Assert.AreEqual(2560, loaded.MaxValueSize);
        // A row has 3 x 8 x 8 floats in, and 8 x 8 x 8 after the convolution: 2048 bytes.
        using var rows = torch.zeros(4, 3, 8, 8);
        loaded.Forward(rows).Dispose();
        loaded.MaxValueSize = 2047;
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => loaded.Forward(rows)).Message,
            "takes 8192 bytes, more than the 8188 bytes that MaxValueSize allows for 4 rows");
        using var copy = loaded.Clone();
        Assert.AreEqual(2047, copy.MaxValueSize);
        Assert.AreEqual(
            "MaxValueSize",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => loaded.MaxValueSize = 0).ParamName);
        Assert.AreEqual(
            "MaxValueSize", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Loaded(file, 0)).ParamName);
    }

    [TestMethod]
    public void Inputs_that_cannot_be_small_are_refused()
    {
        Assert.AreEqual(
            "Input 'x' of shape [1048576, 3, 32, ?] takes 402653184 bytes, more than the 402653183 that "
            + "OnnxLoadOptions.MaxValueSize allows.",
            Assert.ThrowsExactly<InvalidDataException>(() => Loaded(Wide(), 402_653_183)).Message);
        Loaded(Wide(), 402_653_184).Dispose();

        static byte[] Wide() => ModelOf(13, [1 << 20, 3, 32, -1], Longs("s", 1 << 20, 3, 32, 7), Node("Expand", "x s", "y"))
            .ToByteArray();
    }

    /// <summary>Batches are as large as the limit allows, so that no engine takes more.</summary>
    [TestMethod]
    [DataRow(ScoringEngineKind.OnnxRuntime)]
    [DataRow(ScoringEngineKind.Torch)]
    public void Rows_that_do_not_fit_together_are_scored_apart(ScoringEngineKind engine)
    {
        var ml = new MLContext(1);
        var data = Images.View(ml, Images.Rows(20));
        using var network = TestNetworks.Classifier();
        using var all = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Engine = engine }).Fit(data);
        // The largest value of a row takes 2048 bytes.
        using var small = network.Clone();
        small.MaxValueSize = 3 * 2048 + 100;
        using (var scorer = new NetworkScorer(small.Clone(), [3, 8, 8], softmax: false, engine, threads: 1))
            Assert.AreEqual(3, scorer.MaxRows);
        using var apart = ml.Transforms.ApplyNetwork("Score", "Pixels", small, new() { Engine = engine }).Fit(data);
        Images.AssertClose(Images.Scores(all.Transform(data)), Images.Scores(apart.Transform(data)), 1e-5f);
    }

    /// <summary>What is read of a long graph takes time and memory for each node, and not for each pair of them.</summary>
    [TestMethod]
    [Timeout(60_000)]
    public void Long_graphs_take_linear_time()
    {
        var few = Time(12_000);
        var many = Time(96_000);
        // 8 times as many nodes; a quadratic time would be 64 times as long.
        Assert.IsLessThan(24 * few.TotalSeconds + 2, many.TotalSeconds, $"{few} and {many}");

        static TimeSpan Time(int count)
        {
            var model = ModelOf(13, [1], [.. Enumerable.Range(0, count).Select(i => Node(
                i % 2 == 0 ? "Relu" : "Add", i % 2 == 0 ? Value(i) : $"{Value(i)} {Value(i)}",
                i == count - 1 ? "y" : $"v{i}"))])
                .ToByteArray();
            var watch = Stopwatch.StartNew();
            using var network = Load(model);
            Assert.HasCount(count, network.Graph.Nodes);
            return watch.Elapsed;
        }

        static string Value(int node) => node == 0 ? "x" : $"v{node - 1}";
    }

    [TestMethod]
    [Timeout(20_000)]
    public void Graphs_without_end_are_not_read()
    {
        var model = ModelOf(13, [1], [.. Enumerable.Range(0, 100_001).Select(i =>
            Node("Relu", i == 0 ? "x" : $"v{i - 1}", i == 100_000 ? "y" : $"v{i}"))]);
        Assert.AreEqual(
            "The model has 100001 nodes; models of up to 100000 nodes are read.",
            Assert.ThrowsExactly<NotSupportedException>(() => Load(model)).Message);
    }

    private static Network Loaded(byte[] file, long maxValueSize)
    {
        using var stream = new MemoryStream(file);
        return Network.LoadOnnx(stream, null, new OnnxLoadOptions { MaxValueSize = maxValueSize });
    }

    private static TestDataRow<(string, string, byte[])> Constant(string node, string size, params IMessage[] parts) =>
        new((node, size, ModelOf(13, [1], [.. parts, Node("Mul", "c x", "y")]).ToByteArray())) { DisplayName = node };

    private static TestDataRow<(string, byte[])> Input(string node, params IMessage[] parts) =>
        new((node, ModelOf(13, [-1, 3, 8, 8],
            [.. parts, Node("ReduceMax", "c", "m", ("axes", new[] { -1L }), ("keepdims", 0)), Node("Flatten", "m", "y")])
            .ToByteArray()))
        { DisplayName = node };

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    // The file says rows and height, the images the width.
    [TestMethod]
    public void RowsOfAFixedNumberAreLimitedOnceTheirSizeIsKnown()
    {
        using var network = Load(ModelOf(18, [4096, 1, 8, -1], Random("w", 1, 2, 1, 1, 1), Node("Conv", "x w", "c"),
            Longs("axes", 2, 3), Node("ReduceMean", "c axes", "m", ("keepdims", 0)),
            Node("Softmax", "m", "y", ("axis", 0))));
        network.MaxValueSize = 1 << 21;
        using (new NetworkScorer(network.Clone(), [1, 8, 4], softmax: false, ScoringEngineKind.Torch, threads: 1))
        {
        }
        var exception = Assert.ThrowsExactly<InvalidOperationException>(
            () => new NetworkScorer(network.Clone(), [1, 8, 17], softmax: false, ScoringEngineKind.Torch, threads: 1));
        Assert.Contains("takes 2228224 bytes for the 4096 rows that it was exported for", exception.Message);
    }
}
