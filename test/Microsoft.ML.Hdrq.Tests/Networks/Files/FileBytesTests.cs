using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks.Files;

namespace Microsoft.ML.Hdrq.Tests.Networks.Files;

[TestClass]
public sealed class FileBytesTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(100_003)]
    public void It_holds_the_bytes_of_the_file(int length)
    {
        using var folder = new TemporaryDirectory();
        var content = new byte[length];
        new Random(length).NextBytes(content);
        File.WriteAllBytes(folder.Combine("file"), content);
        using var bytes = new FileBytes(folder.Combine("file"));
        CollectionAssert.AreEqual(content, bytes.Memory.ToArray());
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows,
        IgnoreMessage = "There are no pipes in the file system there.")]
    public void A_pipe_is_read_to_its_end()
    {
        using var folder = new TemporaryDirectory();
        var (pipe, content) = (folder.Combine("pipe"), Enumerable.Range(0, 200_000).Select(i => (byte)i).ToArray());
        using (var process = Process.Start("mkfifo", pipe))
            process.WaitForExit();
        var writer = Task.Run(() => File.WriteAllBytes(pipe, content));
        using var bytes = new FileBytes(pipe);
        writer.Wait();
        CollectionAssert.AreEqual(content, bytes.Memory.ToArray());
    }

    [TestMethod]
    public void A_file_that_is_not_there_is_told()
    {
        using var folder = new TemporaryDirectory();
        Assert.Throws<FileNotFoundException>(() => new FileBytes(folder.Combine("none")));
    }
}
