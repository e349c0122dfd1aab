namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>Writes files that are replaced whole or not at all.</summary>
internal static class WholeFile
{
    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="bytes">What it shall hold.</param>
    public static void Write(string path, byte[] bytes) =>
        Write(path, temporary => File.WriteAllBytes(temporary, bytes));

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="write">Writes the file whose path it is given, which gets its name afterwards.</param>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var target = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(target)!;
        Directory.CreateDirectory(folder);
        // Of its own length, whatever that of the name is.
        var temporary = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            write(temporary);
            // Otherwise a name may outlive a power failure that the bytes behind it do not.
            using (var handle = File.OpenHandle(temporary, FileMode.Open, FileAccess.ReadWrite))
                RandomAccess.FlushToDisk(handle);
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
