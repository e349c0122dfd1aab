namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>Writes files that are replaced whole or not at all.</summary>
internal static class WholeFile
{
    /// <summary>
    /// A name in the same folder that nobody can foresee, and put a link under: what is written would go where it leads.
    /// </summary>
    public static string Beside(string target) =>
        Path.Combine(Path.GetDirectoryName(target)!, $".{Guid.NewGuid():N}.unfinished");

    /// <summary>Writes a file, and brings it to the disk.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="write">Writes the file's content.</param>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
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
