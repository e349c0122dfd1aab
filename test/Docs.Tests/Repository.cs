namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>The source tree that the tests were built from.</summary>
internal static class Repository
{
    /// <summary>Full path of its folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Full path of a file or folder in it.</summary>
    public static string Combine(string path) => Path.Combine(Root, path);

    /// <summary>All Markdown files, as paths in the repository.</summary>
    public static IEnumerable<string> Documents() =>
        from path in Directory.EnumerateFiles(Root, "*.md", SearchOption.AllDirectories)
        let relative = Path.GetRelativePath(Root, path).Replace('\\', '/')
        where !relative.Split('/').Any(folder => folder is "bin" or "obj" or "shared" || folder.StartsWith('.'))
        orderby relative
        select relative;

    /// <summary>The C# files of a folder and below.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        from path in Directory.EnumerateFiles(Combine(folder), "*.cs", SearchOption.AllDirectories)
        where !Path.GetRelativePath(Root, path).Split('/', '\\').Contains("obj")
        select path;

    /// <summary>The guides, as paths in the repository.</summary>
    public static IEnumerable<string> Guides() =>
        Documents().Where(path => path.StartsWith("docs/guide/", StringComparison.Ordinal));

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Hdrq.sln")))
            directory = directory.Parent;
        return directory?.FullName
            ?? throw new InvalidOperationException($"No Hdrq.sln above '{AppContext.BaseDirectory}'.");
    }
}
