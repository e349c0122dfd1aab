namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>Keeps a second process out of a folder of results. The system takes it back when the process ends, however
/// that happens.</summary>
internal sealed class FolderLock : IDisposable
{
    private const string File = ".lock";

    private readonly FileStream _file;

    private FolderLock(FileStream file) => _file = file;

    /// <summary>Takes the folder.</summary>
    /// <exception cref="IOException">Another process has it, or it cannot be written to.</exception>
    public static FolderLock Of(string folder)
    {
        var path = Path.Combine(folder, File);
        try
        {
            return new(new FileStream(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose));
        }
        catch (IOException exception) when (IsTaken(exception))
        {
            throw new IOException(
                $"Another hdrq is at work in '{folder}'; wait until it is done, or give another --output.", exception);
        }
    }

    /// <summary>Whether another process has the file open: EAGAIN, or a sharing violation on Windows.</summary>
    public static bool IsTaken(IOException exception) => exception.HResult
        == (OperatingSystem.IsWindows() ? unchecked((int)0x80070020) : OperatingSystem.IsLinux() ? 11 : 35);

    public void Dispose() => _file.Dispose();
}
