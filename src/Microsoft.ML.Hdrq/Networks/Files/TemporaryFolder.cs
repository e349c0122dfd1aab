namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>
/// A folder for temporary files, deleted with this object. What is left by a process that was killed meanwhile is
/// deleted when the next such folder is made.
/// </summary>
/// <remarks>
/// Beside each folder lies a file of its name that its process holds locked, from before the folder is there until it
/// is gone. The system takes the lock back when the process ends, however that happens, also on behalf of processes in
/// other containers that share the folder of temporary files; numbers of processes would not tell.
/// </remarks>
internal sealed class TemporaryFolder : IDisposable
{
    private const string Prefix = "hdrq-";
    private const string LockExtension = ".lock";
    private const int MostAttempts = 20;

    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream _lock;

    /// <summary>Creates the folder, in the system's folder of temporary files.</summary>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be created.</exception>
    public TemporaryFolder()
    {
        var root = System.IO.Path.GetTempPath();
        // Between making a file and locking it another process may take it for one that is left, and sweep it.
        for (var attempt = 0; ; attempt++)
        {
            Path = System.IO.Path.Combine(root, $"{Prefix}{Guid.NewGuid():N}");
            try
            {
                _lock = Take(Path + LockExtension, FileMode.CreateNew);
                break;
            }
            catch (IOException exception)
                when (attempt < MostAttempts && exception is not (DirectoryNotFoundException or PathTooLongException))
            {
            }
        }
        try
        {
            Sweep(root);
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(Path);
            else
                Directory.CreateDirectory(Path, Owner);
        }
        catch
        {
            Delete(_lock);
            throw;
        }
    }

    /// <summary>The path of the folder.</summary>
    public string Path { get; }

    /// <summary>The path of a file in the folder.</summary>
    public string Combine(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Delete(_lock);

    /// <summary>Deletes the folders that no process holds.</summary>
    private void Sweep(string root)
    {
        try
        {
            // Where locks are switched off, or the file system has none, nothing says who is alive.
            if (TryTake(_lock.Name) is { } again)
            {
                again.Dispose();
                return;
            }
            foreach (var file in Directory.GetFiles(root, $"{Prefix}*{LockExtension}"))
            {
                if (TryTake(file) is { } left)
                    Delete(left);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Others may delete the same at the same time, and the next one tries again.
        }
    }

    /// <summary>Deletes a folder and then its lock, which stays where the folder does: the next one tries again.</summary>
    private static void Delete(FileStream held)
    {
        var (file, folder) = (held.Name, held.Name[..^LockExtension.Length]);
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            held.Dispose();
            File.Delete(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What was done in the folder has not failed.
        }
        finally
        {
            held.Dispose();
        }
    }

    private static FileStream? TryTake(string path)
    {
        try
        {
            return Take(path, FileMode.Open);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static FileStream Take(string path, FileMode mode) =>
        new(path, mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
}
