namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>A folder that is the current one while it is in use.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _before = Environment.CurrentDirectory;

    public TemporaryFolder() => Environment.CurrentDirectory = Path;

    public string Path { get; } = Directory.CreateTempSubdirectory("hdrq-docs-").FullName;

    public void Dispose()
    {
        Environment.CurrentDirectory = _before;
        Directory.Delete(Path, recursive: true);
    }
}
