using Hdrq.Samples.Data;

namespace ImageClassificationMerge.Data;

/// <summary>
/// Labelled images of several domains, laid out as <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;class&gt;/&lt;image&gt;</c>.
/// </summary>
/// <remarks>
/// A subfolder is a domain when it holds a <c>train</c> or a <c>test</c> folder; other subfolders are ignored, as are names that begin with a dot.
/// Images are files ending in .png, .jpg, .jpeg or .bmp, in either case.
/// </remarks>
internal sealed class DomainFolder
{
    private static readonly string[] _extensions = [".png", ".jpg", ".jpeg", ".bmp"];

    private readonly Dictionary<(string Domain, DataSplit Split), IReadOnlyList<LabeledFile>> _files = [];

    private DomainFolder(string folder, IReadOnlyList<string> domains, IReadOnlyList<string> classes)
    {
        Folder = folder;
        Domains = domains;
        Classes = classes;
    }

    /// <summary>Full path of the data folder.</summary>
    public string Folder { get; }

    /// <summary>Domain names: <c>clean</c> or <c>clear</c> first, the others in ordinal order.</summary>
    public IReadOnlyList<string> Domains { get; }

    /// <summary>Class names in ordinal order; a class's place is its label.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Scans a data folder.</summary>
    /// <param name="folder">The folder that holds the domains.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">No domain, an empty split, or classes that differ between domains or splits.</exception>
    public static DomainFolder Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var root = Path.GetFullPath(folder);
        if (!Directory.Exists(root))
            throw new DirectoryNotFoundException($"There is no data folder '{root}'.");

        var domains = SubfolderNames(root)
            .Where(name => DataSplits.All.Any(split => Directory.Exists(Path.Combine(root, name, split.FolderName()))))
            .OrderBy(name => IsSource(name) ? 0 : 1)
            .ThenBy(name => name, StringComparer.Ordinal)
            .ToArray();
        if (domains.Length == 0)
            throw new InvalidDataException($"'{root}' holds no domains; expected <domain>/<train|test>/<class>/<image>.");

        var classes = DataSplits.All
            .SelectMany(split => ClassNames(Path.Combine(root, domains[0], split.FolderName())))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();
        var result = new DomainFolder(root, domains, classes);
        foreach (var domain in domains)
            foreach (var split in DataSplits.All)
                result._files.Add((domain, split), result.Scan(domain, split));
        return result;
    }

    /// <summary>The images of one split of a domain, by class, then by file name in ordinal order; never empty.</summary>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="split">The split.</param>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<LabeledFile> Files(string domain, DataSplit split) =>
        _files.TryGetValue((domain, split), out var files)
            ? files
            : throw new ArgumentException($"'{Folder}' has no domain '{domain}'; it has {string.Join(", ", Domains)}.", nameof(domain));

    private List<LabeledFile> Scan(string domain, DataSplit split)
    {
        var folder = Path.Combine(Folder, domain, split.FolderName());
        var present = ClassNames(folder);
        if (present.Except(Classes).FirstOrDefault() is { } extra)
            throw new InvalidDataException($"Domain '{domain}' has a class '{extra}' ({Path.Combine(folder, extra)}) that domain '{Domains[0]}' lacks.");

        // The empty split first: naming one of its missing classes would hide what is wrong.
        var files = new List<LabeledFile>();
        for (var index = 0; index < Classes.Count; index++)
        {
            if (present.Contains(Classes[index]))
                files.AddRange(Images(Path.Combine(folder, Classes[index])).Select(path => new LabeledFile(path, index)));
        }
        if (files.Count == 0)
            throw new InvalidDataException($"'{folder}' holds no images (<class>/*.png, .jpg, .jpeg or .bmp).");

        if (Classes.Except(present).FirstOrDefault() is { } missing)
            throw new InvalidDataException($"Domain '{domain}' lacks the class '{missing}': there is no folder '{Path.Combine(folder, missing)}'.");
        return files;
    }

    private static IEnumerable<string> Images(string folder) =>
        Directory.EnumerateFiles(folder)
            .Where(path => Path.GetFileName(path)[0] != '.' && _extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);

    private static List<string> ClassNames(string folder) => Directory.Exists(folder) ? SubfolderNames(folder) : [];

    private static List<string> SubfolderNames(string folder) =>
        [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)).Where(name => name[0] != '.').Order(StringComparer.Ordinal)];

    private static bool IsSource(string domain) =>
        domain.Equals("clean", StringComparison.OrdinalIgnoreCase) || domain.Equals("clear", StringComparison.OrdinalIgnoreCase);
}
