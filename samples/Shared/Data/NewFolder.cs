namespace Hdrq.Samples.Data;

/// <summary>Writes folders that appear when all is in them, so that a cancelled run leaves none.</summary>
internal static class NewFolder
{
    /// <summary>Writes a folder.</summary>
    /// <param name="path">The folder to create.</param>
    /// <param name="fill">Fills the folder that it is given, which gets its name afterwards.</param>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    public static void Write(string path, Action<string> fill)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
            throw new IOException($"'{target}' is not empty; images of another run would mix with the new ones.");

        var unfinished = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(unfinished);
            fill(unfinished);
            if (Directory.Exists(target))
                Directory.Delete(target);
            Directory.Move(unfinished, target);
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
        }
    }
}
