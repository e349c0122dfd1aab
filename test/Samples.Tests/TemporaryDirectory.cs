namespace Hdrq.Samples.Tests;

/// <summary>A new, empty directory that is deleted with this object.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hdrq-samples-").FullName;

    /// <summary>A path inside the directory.</summary>
    public string Combine(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
