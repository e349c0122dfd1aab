using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>Writes files that are replaced whole or not at all.</summary>
internal static class WholeFile
{
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

    /// <summary>
    /// Deletes a file unless a process, which may be another one, has it open; or has just made it, or is about to give
    /// it its name.
    /// </summary>
    private static void Sweep(string path)
    {
        try
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) < TimeSpan.FromSeconds(2))
                return;
            using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            {
            }
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is being written, or gone, or somebody else's: it takes room and does no harm.
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
        var unfinished = Beside(target);
        try
        {
            using (var file = new FileStream(unfinished, FileMode.CreateNew))
            {
                write(file);
                // Otherwise the name may outlive a power failure that the bytes behind it do not.
                file.Flush(flushToDisk: true);
            }
            File.Move(unfinished, target, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }
}
