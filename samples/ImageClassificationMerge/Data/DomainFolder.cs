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
    private readonly DomainFiles<LabeledFile> _files;

    private DomainFolder(string folder, IReadOnlyList<string> domains, IReadOnlyList<string> classes)
    {
        Folder = folder;
        Domains = domains;
        Classes = classes;
        _files = new(folder, domains, Scan);
    }

    /// <summary>Full path of the data folder.</summary>
    public string Folder { get; }

    /// <summary>Domain names: the source's first, the others in ordinal order.</summary>
    public IReadOnlyList<string> Domains { get; }

    /// <summary>Class names in ordinal order; a class's place is its label.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Scans a data folder.</summary>
    /// <param name="folder">The folder that holds the domains.</param>
    /// <param name="source">The source domain; null for <c>clean</c>, <c>clear</c> or <c>day</c>, or the first by name.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">No domain, an empty split, or classes that differ between domains or splits.</exception>
    public static DomainFolder Open(string folder, string? source = null)
    {
        var (root, domains) = DomainLayout.Find(folder, "<domain>/<train|test>/<class>/<image>", source);
        var classes = DataSplits.All
            .SelectMany(split => DomainLayout.Subfolders(Path.Combine(root, domains[0], split.FolderName())))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();
        return new DomainFolder(root, domains, classes);
    }

    /// <summary>The images of one split of a domain, by class, then by file name in ordinal order; never empty.</summary>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="split">The split.</param>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<LabeledFile> Files(string domain, DataSplit split) => _files[domain, split];

    private List<LabeledFile> Scan(string domain, string folder)
    {
        var present = DomainLayout.Subfolders(folder);
        if (present.Except(Classes).FirstOrDefault() is { } extra)
            throw new InvalidDataException($"Domain '{domain}' has a class '{extra}' ({Path.Combine(folder, extra)}) that domain '{Domains[0]}' lacks.");

        // The empty split first: naming one of its missing classes would hide what is wrong.
        var files = new List<LabeledFile>();
        for (var index = 0; index < Classes.Count; index++)
        {
            if (present.Contains(Classes[index]))
                files.AddRange(DomainLayout.Images(Path.Combine(folder, Classes[index])).Select(path => new LabeledFile(path, index)));
        }
        if (files.Count == 0)
            throw new InvalidDataException($"'{folder}' holds no images (<class>/*.png, .jpg, .jpeg or .bmp).");

        if (Classes.Except(present).FirstOrDefault() is { } missing)
            throw new InvalidDataException($"Domain '{domain}' lacks the class '{missing}': there is no folder '{Path.Combine(folder, missing)}'.");
        return files;
    }
}
