using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Tests.Data;

[TestClass]
public sealed class FolderLockTests
{
    [TestMethod]
    public void A_folder_that_is_taken_is_refused_until_it_is_given_back()
    {
        using var folder = new TemporaryDirectory();
        using (FolderLock.Of(folder.Path))
        {
            var error = Assert.ThrowsExactly<IOException>(() => FolderLock.Of(folder.Path));
            Assert.AreEqual(
                $"Another hdrq is at work in '{folder.Path}'; wait until it is done, or give another --output.",
                error.Message);
        }
        FolderLock.Of(folder.Path).Dispose();
    }

    /// <summary>What else the system says of the file is no sign of another process.</summary>
    [TestMethod]
    public void A_full_disk_is_not_taken_for_another_process()
    {
        // ENOSPC and ERROR_DISK_FULL.
        var full = OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28;
        Assert.IsFalse(FolderLock.IsTaken(new IOException("No space left on device", full)));
        using var folder = new TemporaryDirectory();
        using var held = new FileStream(folder.Combine(".lock"), FileMode.Create, FileAccess.Write, FileShare.None);
        var taken = Assert.ThrowsExactly<IOException>(
            () => new FileStream(folder.Combine(".lock"), FileMode.Open, FileAccess.Write, FileShare.None));
        Assert.IsTrue(FolderLock.IsTaken(taken));
    }
}
