using Microsoft.ML.Hdrq.Networks.Files;

namespace Microsoft.ML.Hdrq.Tests.Networks.Files;

[TestClass]
public sealed class WholeFileTests
{
    /// <summary>Until it is whole the file has a name that nobody has given it.</summary>
    [TestMethod]
    public void What_fails_names_the_file_that_was_asked_for()
    {
        var folder = Directory.CreateTempSubdirectory("hdrq-").FullName;
        try
        {
            var target = Path.Combine(folder, "network.onnx");
            var failure = Assert.ThrowsExactly<IOException>(() => WholeFile.Write(target, file =>
            {
                file.WriteByte(1);
                throw new IOException($"No space left on device : '{((FileStream)file).Name}'", 28);
            }));
            Assert.AreEqual($"No space left on device : '{target}'", failure.Message);
            Assert.AreEqual(28, failure.HResult);
            Assert.IsEmpty(Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
