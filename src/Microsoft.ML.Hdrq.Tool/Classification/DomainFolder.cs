using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>
/// Labelled images of several domains, laid out as
/// <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;class&gt;/&lt;image&gt;</c>.
/// </summary>
/// <remarks>
/// A subfolder is a domain when it holds a <c>train</c> or a <c>test</c> folder; other subfolders are ignored, as are
/// names that begin with a dot.
/// Images are files ending in .png, .jpg, .jpeg or .bmp, in either case.
/// </remarks>
internal sealed class DomainFolder
{
    private readonly DomainLayout _layout;
    private readonly bool _allowsMissingClasses;
    private readonly DomainFiles<LabeledFile> _files;

    /// <summary>Scans a data folder.</summary>
    /// <param name="layout">Where the domains are.</param>
    /// <param name="classes">
    /// The classes in the order of the network's outputs, where that knows them; a domain may lack some. Null for the
    /// folders of the first domain in ordinal order, which every domain must have.
    /// </param>
    /// <exception cref="InvalidDataException">
    /// An empty split, or classes that differ between domains or splits.
    /// </exception>
    public DomainFolder(DomainLayout layout, IReadOnlyList<string>? classes = null)
    {
        _layout = layout;
        _allowsMissingClasses = classes is not null;
        Classes = classes ?? [.. layout.Splits.Where(split => layout.HasLabels(layout.Domains[0], split))
            .SelectMany(split =>
                DomainLayout.Subfolders(Path.Combine(layout.Root, layout.Domains[0], split.FolderName())))
            .Distinct()
            .Order(StringComparer.Ordinal)];
        _files = new(layout, Scan);
    }

    /// <summary>Where the domains are.</summary>
    public DomainLayout Layout => _layout;

    /// <summary>Domain names: the source's first, the others in ordinal order.</summary>
    public IReadOnlyList<string> Domains => _layout.Domains;

    /// <summary>Class names; a class's place is its label.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>
    /// The images of one split of a domain, by class, then by file name in ordinal order; never empty.
    /// </summary>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="split">The split.</param>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<LabeledFile> Files(string domain, DataSplit split) => _files[domain, split];

    /// <summary>The images of all domains and splits that are read with labels.</summary>
    public IEnumerable<LabeledFile> AllFiles =>
        from domain in _layout.Domains
        from split in _layout.Splits
        where _layout.HasLabels(domain, split)
        from file in Files(domain, split)
        select file;

    /// <summary>An image for all, where their size is asked for.</summary>
    public string FirstImage => AllFiles.First().Path;

    private List<LabeledFile> Scan(string domain, string folder)
    {
        var present = DomainLayout.Subfolders(folder);
        if (present.Except(Classes).FirstOrDefault() is { } extra)
        {
            throw new InvalidDataException(_allowsMissingClasses
                ? $"'{Path.Combine(folder, extra)}' is no class of the network; it has {string.Join(", ", Classes)}."
                : $"Domain '{domain}' has a class '{extra}' ({Path.Combine(folder, extra)}) that domain '{Domains[0]}' "
                    + "lacks.");
        }

        // The empty split first: naming one of its missing classes would hide what is wrong.
        var files = new List<LabeledFile>();
        // In the order of folders, as the images of a place without labels are read.
        foreach (var name in present)
        {
            var index = Classes.Index().First(entry => entry.Item == name).Index;
            files.AddRange(
                DomainLayout.Images(Path.Combine(folder, name)).Select(path => new LabeledFile(path, index)));
        }
        if (files.Count == 0)
            throw DomainLayout.NoImages(folder, "<class>/*.png", folder);

        if (!_allowsMissingClasses && Classes.Except(present).FirstOrDefault() is { } missing)
            throw new InvalidDataException(
                $"Domain '{domain}' lacks the class '{missing}': there is no folder '{Path.Combine(folder, missing)}'.");
        return files;
    }
}
