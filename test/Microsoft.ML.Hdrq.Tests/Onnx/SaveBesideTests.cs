using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tests.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>A file is written beside the one that it replaces, under a name that nobody can foresee.</summary>
[TestClass]
public sealed class SaveBesideTests
{
    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare() => _folder = new TemporaryDirectory();

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    [TestMethod]
    [DataRow(null)]
    [DataRow("weights.bin")]
    public void Links_that_are_put_in_its_way_lead_nowhere(string? external)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links take rights on Windows.");
        Directory.CreateDirectory(_folder.Combine("elsewhere"));
        Directory.CreateDirectory(_folder.Combine("here"));
        File.WriteAllText(_folder.Combine("elsewhere", "precious"), "precious");
        string[] names = ["x.onnx", "weights.bin", "x.onnx.unfinished", "weights.bin.unfinished"];
        foreach (var name in names)
            File.CreateSymbolicLink(_folder.Combine("here", name), _folder.Combine("elsewhere", "precious"));
        using var network = TestNetworks.Classifier();
        network.SaveOnnx(_folder.Combine("here", "x.onnx"), new() { ExternalDataFile = external });
        Assert.AreEqual("precious", File.ReadAllText(_folder.Combine("elsewhere", "precious")));
        Assert.IsNull(new FileInfo(_folder.Combine("here", "x.onnx")).LinkTarget);
        Network.LoadOnnx(_folder.Combine("here", "x.onnx")).Dispose();
        Assert.HasCount(names.Length, Directory.GetFiles(_folder.Combine("here")));
    }

    [TestMethod]
    public void Many_may_save_under_one_name_at_once()
    {
        using var network = TestNetworks.Classifier();
        Parallel.For(0, 32, _ => network.SaveOnnx(_folder.Combine("x.onnx")));
        Assert.HasCount(1, Directory.GetFiles(_folder.Path));
        Network.LoadOnnx(_folder.Combine("x.onnx")).Dispose();
    }

    /// <summary>
    /// What a process leaves that is killed while it writes is deleted when the same file is written again.
    /// </summary>
    [TestMethod]
    public void What_a_killed_process_left_is_swept()
    {
        using var network = TestNetworks.Classifier();
        var (left, open, recent, other) = (
            Unfinished("x.onnx"), Unfinished("x.onnx"), Unfinished("x.onnx"), Unfinished("y.onnx"));
        foreach (var path in new[] { left, open, recent, other })
            File.WriteAllText(path, "half");
        File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddSeconds(-10));
        using (new FileStream(open, FileMode.Open, FileAccess.Read, FileShare.Read))
            network.SaveOnnx(_folder.Combine("x.onnx"));
        CollectionAssert.AreEquivalent(
            new[] { open, other, _folder.Combine("x.onnx") }, Directory.GetFiles(_folder.Path));

        string Unfinished(string name) => WholeFile.Beside(_folder.Combine(name));
    }

    /// <summary>A file is somebody's until it has its name, also while another process writes the same one.</summary>
    [TestMethod]
    public void What_is_being_written_is_left()
    {
        var path = _folder.Combine("x");
        WholeFile.Write(path, file =>
        {
            WholeFile.Write(path, "second"u8.ToArray());
            file.Write("first"u8);
        });
        Assert.AreEqual("first", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFiles(_folder.Path));
    }

    [TestMethod]
    public void What_cannot_be_written_leaves_nothing_and_replaces_nothing()
    {
        using var network = TestNetworks.Classifier();
        File.WriteAllText(_folder.Combine("x.onnx"), "before");
        Assert.Throws<ArgumentException>(() => network.SaveOnnx(_folder.Combine("x.onnx"), new() { Opset = 2 }));
        Assert.AreEqual("before", File.ReadAllText(_folder.Combine("x.onnx")));
        Assert.HasCount(1, Directory.GetFiles(_folder.Path));
    }
}
