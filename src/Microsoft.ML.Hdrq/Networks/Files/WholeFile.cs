using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>Writes files that are replaced whole or not at all.</summary>
internal static class WholeFile
{
    /// <summary>
    /// The buffer of a file of a network, in bytes: Protocol Buffers write it, and skip what is not asked for, 4 kB at
    /// a time.
    /// </summary>
    public const int BufferSize = 1 << 20;

    /// <summary>
    /// How a file is locked while it is written: until it has its name, so that what is not locked was left by a
    /// process that was killed. Windows has to be told that it may be renamed meanwhile.
    /// </summary>
    private static readonly FileShare _locked = OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None;

    /// <summary>
    /// A name in the same folder that nobody can foresee, and put a link under: what is written would go where it leads.
    /// What a killed process has left of the same file is deleted.
    /// </summary>
    public static string Beside(string target)
    {
        var folder = Path.GetDirectoryName(target)!;
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFileName(target))))[..8];
        foreach (var left in Directory.GetFiles(folder, $".{name}-*.unfinished"))
            Sweep(left);
        return Path.Combine(folder, $".{name}-{Guid.NewGuid():N}.unfinished");
    }

    /// <summary>Deletes a file unless somebody, who may be another process, is writing it.</summary>
    private static void Sweep(string path)
    {
        try
        {
            using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, _locked))
                File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is being written, or gone, or somebody else's: it takes room and does no harm.
        }
    }

    /// <summary>
    /// A new file, locked. Between its making and its locking another process may have taken it for one that was left.
    /// </summary>
    private static FileStream Create(string target)
    {
        for (var attempt = 1; ; attempt++)
        {
            var path = Beside(target);
            try
            {
                var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, _locked, BufferSize);
                if (File.Exists(path))
                    return file;
                file.Dispose();
            }
            catch (IOException) when (attempt < 8)
            {
            }
        }
    }

    /// <summary>Writes a file, and brings it to the disk.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="bytes">What it shall hold.</param>
    /// <inheritdoc cref="Write(string, Action{Stream})" path="/exception"/>
    public static void Write(string path, byte[] bytes) => Write(path, file => file.Write(bytes));

    /// <summary>Writes a file, and brings it to the disk.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="write">Writes the file's content.</param>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        using var file = Create(target);
        try
        {
            write(file);
            // Otherwise the name may outlive a power failure that the bytes behind it do not.
            file.Flush(flushToDisk: true);
            File.Move(file.Name, target, overwrite: true);
        }
        catch (Exception exception)
        {
            File.Delete(file.Name);
            // The name that the file has meanwhile says nothing to anybody.
            if (exception is IOException && exception.Message.Contains(file.Name, StringComparison.Ordinal))
            {
                throw new IOException(
                    exception.Message.Replace(file.Name, target, StringComparison.Ordinal), exception.HResult);
            }
            throw;
        }
    }
}
