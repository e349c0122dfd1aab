namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>A new, empty directory that is deleted with this object.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("hdrq-api-").FullName;

    /// <summary>A path inside the directory.</summary>
    public string Combine(string name) => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
