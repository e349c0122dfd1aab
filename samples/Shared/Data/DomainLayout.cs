namespace Hdrq.Samples.Data;

/// <summary>What data folders have in common: <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/</c>. Names that begin with a dot are passed over.</summary>
internal static class DomainLayout
{
    private static readonly string[] _extensions = [".png", ".jpg", ".jpeg", ".bmp"];

    private static readonly string[] _sources = ["clean", "clear", "day"];

    /// <summary>Finds the domains: the subfolders that hold a <c>train</c> or a <c>test</c> folder.</summary>
    /// <param name="folder">The data folder.</param>
    /// <param name="layout">What is expected in it, for messages.</param>
    /// <param name="source">The domain that comes first; null for <c>clean</c>, <c>clear</c> or <c>day</c>, or, where there is none of these, the first by name.</param>
    /// <returns>The folder's full path; the names, the source's first, the others in ordinal order.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">There is no domain, or not that which is to come first.</exception>
    public static (string Root, IReadOnlyList<string> Domains) Find(string folder, string layout, string? source)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var root = Path.GetFullPath(folder);
        if (!Directory.Exists(root))
            throw new DirectoryNotFoundException($"There is no data folder '{root}'.");
        var domains = Subfolders(root)
            .Where(name => DataSplits.All.Any(split => Directory.Exists(Path.Combine(root, name, split.FolderName()))))
            .OrderBy(name => (source is null ? _sources.Contains(name, StringComparer.OrdinalIgnoreCase) : name == source) ? 0 : 1)
            .ThenBy(name => name, StringComparer.Ordinal)
            .ToArray();
        if (domains.Length == 0)
            throw new InvalidDataException($"'{root}' holds no domains; expected {layout}.");
        return source is null || domains[0] == source ? (root, domains) : throw new InvalidDataException($"--source: there is no domain '{source}' in '{root}'; there are {string.Join(", ", domains)}.");
    }

    /// <summary>The names of a folder's subfolders in ordinal order; none where there is no folder.</summary>
    public static IReadOnlyList<string> Subfolders(string folder) =>
        Directory.Exists(folder) ? [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)).Where(name => name[0] != '.').Order(StringComparer.Ordinal)] : [];

    /// <summary>A folder's files that end in .png, .jpg, .jpeg or .bmp, in either case, by name in ordinal order; none where there is no folder.</summary>
    public static IReadOnlyList<string> Images(string folder) =>
        Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder).Where(path => Path.GetFileName(path)[0] != '.' && _extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)]
            : [];
}
