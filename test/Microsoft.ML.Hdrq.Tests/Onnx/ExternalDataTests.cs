using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.OnnxRuntime;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public sealed class ExternalDataTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void OnnxRuntimeAndThisLibraryReadWhatIsWritten()
    {
        using var network = Load(TwoLayers());
        network.SaveOnnx(_directory.Combine("model.onnx"), new OnnxSaveOptions { ExternalDataFile = "weights.bin" });

        CollectionAssert.AreEquivalent(
            new[] { "model.onnx", "weights.bin" },
            Directory.GetFiles(_directory.Path).Select(Path.GetFileName).ToArray());
        // 16 x 3 x 3 x 3 and 10 x 16 x 8 x 8 weights; the small bias stays in the model.
        Assert.AreEqual(4 * (16 * 27 + 10 * 1024), new FileInfo(_directory.Combine("weights.bin")).Length);
        Assert.IsLessThan(2000, new FileInfo(_directory.Combine("model.onnx")).Length);
        using var session = new InferenceSession(_directory.Combine("model.onnx"));
        using var again = Network.LoadOnnx(_directory.Combine("model.onnx"));
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
        foreach (var (name, tensor) in network.Parameters)
            Assert.AreEqual(TensorData.FromTorch(tensor), TensorData.FromTorch(again.Parameters[name]), name);
    }

    [TestMethod]
    public void ReadsFromTheGivenFolderWhenTheModelIsAStream()
    {
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(32));
        using var network = Load(ModelWith("w.bin", "8", "16"), _directory.Path);
        CollectionAssert.AreEqual(Bytes(32)[8..24], TensorData.FromTorch(network.Parameters["w"]).Bytes.ToArray());
        StringAssert.Contains(AssertMalformed(ModelWith("w.bin", "8", "16")).Message, "'w'");
    }

    [TestMethod]
    [DataRow("./w.bin")]
    [DataRow("sub/w.bin")]
    [DataRow("sub\\w.bin")]
    public void ReadsFilesInFoldersBelow(string location)
    {
        Directory.CreateDirectory(_directory.Combine("sub"));
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(16));
        File.WriteAllBytes(Path.Combine(_directory.Path, "sub", "w.bin"), Bytes(16));
        using var network = Load(ModelWith(location), _directory.Path);
        Assert.AreEqual(4, network.Parameters["w"].numel());
    }

    [TestMethod]
    [DataRow("../w.bin")]
    [DataRow("sub/../w.bin")]
    [DataRow("sub/../../w.bin")]
    [DataRow("..\\w.bin")]
    [DataRow("sub\\..\\..\\w.bin")]
    [DataRow("/etc/hostname")]
    [DataRow("\\\\server\\share\\w.bin")]
    [DataRow("C:\\w.bin")]
    [DataRow("C:w.bin")]
    [DataRow("w.bin:stream")]
    [DataRow("file:///etc/hostname")]
    [DataRow("sub//w.bin")]
    [DataRow("w.bin\0.txt")]
    [DataRow("")]
    [DataRow(".")]
    [DataRow("..")]
    [DataRow("sub")]
    [DataRow("missing.bin")]
    [DataRow("missing/w.bin")]
    public void RefusesLocationsOutsideOrMissing(string location)
    {
        // The files exist, so that only the check can refuse them.
        var inner = Directory.CreateDirectory(_directory.Combine("models")).FullName;
        Directory.CreateDirectory(Path.Combine(inner, "sub"));
        foreach (var file in new[] { _directory.Combine("w.bin"), Path.Combine(inner, "w.bin"),
            Path.Combine(inner, "sub", "w.bin") })
            File.WriteAllBytes(file, Bytes(16));
        StringAssert.Contains(AssertMalformed(ModelWith(location), inner).Message, "'w'");
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows, IgnoreMessage = "Links need rights there.")]
    public void RefusesLinksThatLeadOutAndFollowsThoseThatDoNot()
    {
        var inner = Directory.CreateDirectory(_directory.Combine("models")).FullName;
        File.WriteAllBytes(_directory.Combine("secret.bin"), Bytes(16));
        File.WriteAllBytes(Path.Combine(inner, "w.bin"), Bytes(16));
        File.CreateSymbolicLink(Path.Combine(inner, "out"), _directory.Combine("secret.bin"));
        File.CreateSymbolicLink(Path.Combine(inner, "relative"), "../secret.bin");
        File.CreateSymbolicLink(Path.Combine(inner, "twice"), "out");
        Directory.CreateSymbolicLink(Path.Combine(inner, "folder"), _directory.Path);
        File.CreateSymbolicLink(Path.Combine(inner, "loop"), Path.Combine(inner, "loop"));
        File.CreateSymbolicLink(Path.Combine(inner, "nowhere"), "nothing");
        File.CreateSymbolicLink(Path.Combine(inner, "in"), "w.bin");
        foreach (var location in new[] { "out", "relative", "twice", "folder/secret.bin", "loop", "nowhere" })
            StringAssert.Contains(AssertMalformed(ModelWith(location), inner).Message, "'w'", location);

        // The folder itself may be reached through a link.
        Directory.CreateSymbolicLink(_directory.Combine("link"), inner);
        using var network = Load(ModelWith("in"), _directory.Combine("link"));
        Assert.AreEqual(4, network.Parameters["w"].numel());
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows,
        IgnoreMessage = "There are no pipes in the file system there.")]
    [Timeout(5000)]
    public void DoesNotWaitForAPipe()
    {
        using var process = System.Diagnostics.Process.Start("mkfifo", _directory.Combine("pipe"));
        process.WaitForExit();
        Assert.IsTrue(File.Exists(_directory.Combine("pipe")));
        AssertMalformed(ModelWith("pipe"), _directory.Path);
    }

    [TestMethod]
    [DataRow("1", "16")]
    [DataRow("16", "16")]
    [DataRow("0", "15")]
    [DataRow("0", "17")]
    [DataRow("0", "0")]
    [DataRow("-1", "16")]
    [DataRow("0", "-16")]
    [DataRow("9223372036854775807", "16")]
    [DataRow("9223372036854775808", "16")]
    [DataRow("0", "99999999999999999999999")]
    [DataRow("zero", "16")]
    [DataRow("0x0", "16")]
    [DataRow(" 0", "16")]
    [DataRow("", "16")]
    [DataRow("0", "1e1")]
    [DataRow("0", "16.0")]
    public void RefusesBytesThatAreNotThere(string offset, string length)
    {
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(16));
        StringAssert.Contains(AssertMalformed(ModelWith("w.bin", offset, length), _directory.Path).Message, "'w'");
    }

    [TestMethod]
    public void RefusesHugeTensorsBeforeTakingMemory()
    {
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(16));
        var model = ModelWith("w.bin", null, null);
        model.Graph.Initializer[0].Dims[0] = 500_000_000;
        var before = GC.GetAllocatedBytesForCurrentThread();
        AssertMalformed(model, _directory.Path);
        Assert.IsLessThan(1 << 22, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void TensorsMayShareBytesButNotAnyNumberOfThem()
    {
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(4096));
        using (Load(Sharing(4), _directory.Path))
        {
        }
        StringAssert.Contains(AssertMalformed(Sharing(100), _directory.Path).Message, "'w.bin'");

        static ModelProto Sharing(int count)
        {
            var model = ModelOf(13, [1024], Node("Identity", "x", "y"));
            for (var i = 0; i < count; i++)
                model.Graph.Initializer.Add(External($"w{i}", 1024, "w.bin", "0", "4096"));
            return model;
        }
    }

    [TestMethod]
    public void ReadsConstantsFromExternalFilesToo()
    {
        File.WriteAllBytes(_directory.Combine("w.bin"), Bytes(16));
        var model = ModelOf(13, [4], Node("Constant", "", "w", ("value", External("", 4, "w.bin", null, null))),
            Node("Add", "x w", "y"));
        using var network = Load(model, _directory.Path);
        Assert.AreEqual(ParameterRole.Constant, network.Graph.Parameters.Single().Role);
        model.Graph.Node[0].Attribute[0].T.ExternalData[0].Value = "../w.bin";
        AssertMalformed(model, _directory.Path);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("sub/w.bin")]
    [DataRow("..\\w.bin")]
    [DataRow("..")]
    [DataRow("C:w.bin")]
    [DataRow("model.onnx")]
    [DataRow("MODEL.onnx")]
    [DataRow("model.onnx.unfinished")]
    public void SavesOnlyBesideTheModel(string name)
    {
        using var network = Load(TwoLayers());
        Assert.ThrowsExactly<ArgumentException>(
            () => network.SaveOnnx(_directory.Combine("model.onnx"), new OnnxSaveOptions { ExternalDataFile = name }));
        Assert.IsEmpty(Directory.GetFileSystemEntries(_directory.Path));
    }

    private static ModelProto TwoLayers() => ModelOf(13, [-1, 3, 8, 8],
        Random("w1", 1, 16, 3, 3, 3), Random("b1", 2, 16), Random("w2", 3, 10, 1024),
        Node("Conv", "x w1 b1", "c", ("pads", new[] { 1L, 1, 1, 1 })), Node("Flatten", "c", "f"),
        Node("Gemm", "f w2", "y", ("transB", 1)));

    private static ModelProto ModelWith(string location, string? offset = "0", string? length = "16") =>
        ModelOf(13, [4], External("w", 4, location, offset, length), Node("Add", "x w", "y"));

    private static TensorProto External(string name, long count, string location, string? offset, string? length)
    {
        var tensor = new TensorProto
        {
            Name = name,
            DataType = (int)ElementType.Float32,
            Dims = { count },
            DataLocation = TensorProto.Types.DataLocation.External
        };
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        if (offset is not null)
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset });
        if (length is not null)
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = length });
        return tensor;
    }

    private static byte[] Bytes(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)i)];
}
