using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>
/// Where the images of domains are: <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/</c>. Names that begin with a
/// dot are passed over.
/// </summary>
/// <param name="Root">Full path of the data folder.</param>
/// <param name="Domains">The domains that are read, the source's first where all are.</param>
/// <param name="Splits">The splits that are read.</param>
internal sealed record DomainLayout(string Root, IReadOnlyList<string> Domains, IReadOnlyList<DataSplit> Splits)
{
    /// <summary>What a folder of images with one class each looks like.</summary>
    public const string Classes = "<domain>/<train|test>/<class>/<image>";

    /// <summary>What a folder of images and masks looks like.</summary>
    public const string Masks = "<domain>/<train|test>/<images|labels>/<frame>";

    /// <summary>The folder of a split that holds images where there are masks.</summary>
    public const string ImageFolder = "images";

    /// <summary>The folder of a split that holds masks.</summary>
    public const string MaskFolder = "labels";

    /// <summary>The domains whose training images are read without labels, however they lie in their folders.</summary>
    public IReadOnlyList<string> Unlabelled { get; init; } = [];

    private static readonly string[] _extensions = [".png", ".jpg", ".jpeg", ".bmp"];

    private static readonly string[] _sources = ["clean", "clear", "day"];

    /// <summary>Whether there are masks: a split of the first domain holds <c>images</c> and <c>labels</c>.</summary>
    public bool HasMasks => DataSplits.All.Any(split =>
    {
        var folder = Path.Combine(Root, Domains[0], split.FolderName());
        return Directory.Exists(Path.Combine(folder, ImageFolder))
            && Directory.Exists(Path.Combine(folder, MaskFolder));
    });

    /// <summary>Whether the images of a split of a domain are read with labels.</summary>
    public bool HasLabels(string domain, DataSplit split) => split != DataSplit.Train || !Unlabelled.Contains(domain);

    /// <summary>The training images of a domain, without labels.</summary>
    public IReadOnlyList<string> UnlabelledImages(string domain) => UnlabelledImages(Root, domain);

    /// <summary>Finds all domains: the subfolders that hold a <c>train</c> or a <c>test</c> folder.</summary>
    /// <param name="folder">The data folder.</param>
    /// <param name="source">
    /// The domain that comes first; null for <c>clean</c>, <c>clear</c> or <c>day</c>, or, where there is none of
    /// these,
    /// the first by name. The others follow in ordinal order.
    /// </param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">There is no domain.</exception>
    /// <exception cref="UsageException">There is not that domain which is to come first.</exception>
    public static DomainLayout Find(string folder, string? source = null)
    {
        var root = Existing(folder);
        var domains = Names(root)
            .OrderBy(name =>
                (source is null ? _sources.Contains(name, StringComparer.OrdinalIgnoreCase) : name == source) ? 0 : 1)
            .ThenBy(name => name, StringComparer.Ordinal)
            .ToArray();
        if (domains.Length == 0)
            throw new InvalidDataException($"'{root}' holds no domains; expected {Classes}, or {Masks}.");
        return source is null || domains[0] == source
            ? new(root, domains, DataSplits.All)
            : throw new UsageException(
                $"--source: there is no domain '{source}' in '{root}'; there are {string.Join(", ", domains)}.");
    }

    /// <summary>Finds one domain: that of a name in a data folder, the only one there, or the folder itself.</summary>
    /// <param name="folder">A data folder, or the folder of one domain.</param>
    /// <param name="domain">The domain; null where there is no choice.</param>
    /// <param name="split">The split that is read.</param>
    /// <returns>The domain; null where the folder is none and has none.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="UsageException">There is no such domain, or there are several and none is named.</exception>
    public static DomainLayout? FindOne(string folder, string? domain, DataSplit split)
    {
        var root = Existing(folder);
        if (domain is null && IsDomain(root) && Path.GetDirectoryName(root) is { } parent)
            return new(parent, [Path.GetFileName(root)], [split]);
        var names = Names(root);
        if (domain is null)
        {
            return names.Count switch
            {
                0 => null,
                1 => new(root, names, [split]),
                _ => throw new UsageException(
                    $"--domain is missing: '{root}' has the domains {string.Join(", ", names)}."),
            };
        }
        return names.Contains(domain)
            ? new(root, [domain], [split])
            : throw new UsageException(
                $"--domain: there is no domain '{domain}' in '{root}'; "
                + $"{(names.Count == 0 ? "it has none" : $"there are {string.Join(", ", names)}")}.");
    }

    /// <summary>The names of a folder's subfolders in ordinal order; none where there is no folder.</summary>
    public static IReadOnlyList<string> Subfolders(string folder) =>
        Directory.Exists(folder)
            ? [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path))
            .Where(name => name[0] != '.').Order(StringComparer.Ordinal)] : [];

    /// <summary>
    /// A folder's files that end in .png, .jpg, .jpeg or .bmp, in either case, by name in ordinal order; none where
    /// there is no folder.
    /// </summary>
    public static IReadOnlyList<string> Images(string folder) =>
        Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder)
                .Where(path => Path.GetFileName(path)[0] != '.'
                && _extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))
                .Order(StringComparer.Ordinal)]
            : [];

    /// <summary>
    /// The images of a place, without labels: the training images of a domain, or, where it has no folder of them, all
    /// images in its folder and below, but those to test on. In the order in which labelled images are read: those of
    /// a folder by name, after those of its subfolders by name.
    /// </summary>
    /// <param name="folder">A data folder, the folder of one domain, or any folder of images.</param>
    /// <param name="domain">The domain; null where there is no choice.</param>
    /// <param name="option">The option that names it, for messages.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">There are no images.</exception>
    /// <exception cref="UsageException">There is no such domain, or there are several and none is named.</exception>
    public static IReadOnlyList<string> UnlabelledImages(string folder, string? domain, string option = "--domain")
    {
        var images = Existing(folder);
        if (domain is not null)
        {
            // A place without labels needs no folders of its own below its name.
            var places = Subfolders(images);
            images = places.Contains(domain) ? Path.Combine(images, domain) : throw new UsageException(
                $"{option}: there is no domain '{domain}' in '{images}'; "
                + $"{(places.Count == 0 ? "it has no folders" : $"there are {string.Join(", ", places)}")}.");
        }
        else if (FindOne(folder, null, DataSplit.Train) is { } layout)
        {
            images = Path.Combine(layout.Root, layout.Domains[0]);
        }
        var train = Path.Combine(images, DataSplit.Train.FolderName());
        var frames = Path.Combine(train, ImageFolder);
        var place = new DomainLayout(Path.GetDirectoryName(images) ?? images, [Path.GetFileName(images)], DataSplits.All);
        var root = place.HasMasks && Directory.Exists(frames) ? frames : Directory.Exists(train) ? train : images;
        var files = Below(root, [Real(root)], except: root == images ? DataSplit.Test.FolderName() : null).ToList();
        return files.Count > 0 ? files : throw NoImages(root, "*.png", root);
    }

    /// <summary>What is said where images are missing.</summary>
    /// <param name="folder">Where they should be.</param>
    /// <param name="pattern">What is looked for there.</param>
    /// <param name="split">The folder of the split.</param>
    public static InvalidDataException NoImages(string folder, string pattern, string split)
    {
        var hint = Path.GetFileName(split) == DataSplit.Test.FolderName()
            ? " Networks are measured on labelled test images; hdrq adapt, quantize and merge need none."
            : pattern.Contains("<class>", StringComparison.Ordinal)
                ? " Images without labels may lie in any folders: --labels none." : "";
        return new($"'{folder}' holds no images ({pattern}, .jpg, .jpeg or .bmp).{hint}");
    }

    /// <summary>All images below a folder; links to folders that hold it are not followed, as they have no end.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="above">The folder and those above it, as they are without links.</param>
    /// <param name="except">The name of a folder in it that is left out; null for none.</param>
    private static IEnumerable<string> Below(
        string folder, ImmutableList<string> above, string? except = null) => Subfolders(folder)
        .Where(name => name != except)
        .Select(name => (Folder: Path.Combine(folder, name), Real: Real(Path.Combine(above[^1], name))))
        .Where(child => !above.Exists(one => Path.Join(one, "/").StartsWith(
            Path.Join(child.Real, "/"), StringComparison.Ordinal)))
        .SelectMany(child => Below(child.Folder, above.Add(child.Real))).Concat(Images(folder));

    private static string Real(string folder) => Path.TrimEndingDirectorySeparator(
        Directory.ResolveLinkTarget(folder, returnFinalTarget: true)?.FullName ?? folder);

    private static IReadOnlyList<string> Names(string root) =>
        [.. Subfolders(root).Where(name => IsDomain(Path.Combine(root, name)))];

    private static bool IsDomain(string folder) =>
        DataSplits.All.Any(split => Directory.Exists(Path.Combine(folder, split.FolderName())));

    private static string Existing(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return Directory.Exists(root) ? root
            : throw new DirectoryNotFoundException(
                File.Exists(root) ? $"'{root}' is a file, not a data folder." : $"There is no data folder '{root}'.");
    }
}
