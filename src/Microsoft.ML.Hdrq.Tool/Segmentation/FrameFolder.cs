using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>
/// Images and masks of several domains, laid out as
/// <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;images|labels&gt;/&lt;frame&gt;.{jpg,png}</c>.
/// </summary>
/// <remarks>
/// A subfolder is a domain when it holds a <c>train</c> or a <c>test</c> folder; other subfolders are ignored, as are
/// names that begin with a dot. Images end in .png, .jpg, .jpeg or .bmp,
/// masks in .png. The names of the classes are the lines of <c>classes.txt</c>, in the order of their numbers in masks;
/// without that file they are the network's, as many as it has without names, or else CamVid's, with a warning. Other
/// numbers have no class.
/// </remarks>
internal sealed class FrameFolder
{
    private const string ClassFile = "classes.txt";

    private readonly DomainFiles<Frame> _frames;
    private readonly DomainLayout _layout;

    /// <summary>Scans a data folder.</summary>
    /// <param name="layout">Where the domains are.</param>
    /// <param name="classes">
    /// The classes of the network; null where it does not know them. <c>classes.txt</c> must agree.
    /// </param>
    /// <param name="classCount">How many classes the network has; null where that is not known.</param>
    /// <param name="warn">Told what was assumed.</param>
    /// <exception cref="InvalidDataException">
    /// An empty split, an image without a mask or a mask without an image, a mask of another size than its image, or a
    /// list of classes that is empty or names one twice.
    /// </exception>
    public FrameFolder(
        DomainLayout layout, IReadOnlyList<string>? classes = null, int? classCount = null, Action<string>? warn = null)
    {
        _layout = layout;
        Classes = ReadClasses(Path.Combine(layout.Root, ClassFile), classes)
            ?? classes ?? Assumed(layout.Root, classCount, warn);
        _frames = new(layout, Scan);
    }

    /// <summary>Domain names: the source's first, the others in ordinal order.</summary>
    public IReadOnlyList<string> Domains => _layout.Domains;

    /// <summary>Where the domains are.</summary>
    public DomainLayout Layout => _layout;

    /// <summary>Class names in the order of their numbers.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The frames of one split of a domain, by name in ordinal order; never empty.</summary>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<Frame> Frames(string domain, DataSplit split) => _frames[domain, split];

    /// <summary>An image for all, where their size is asked for.</summary>
    public string FirstImage =>
        Frames(Domains[0], _layout.Splits.First(split => _layout.HasLabels(Domains[0], split)))[0].ImagePath;

    private static List<Frame> Scan(string domain, string folder)
    {
        var (imageFolder, maskFolder) =
            (Path.Combine(folder, DomainLayout.ImageFolder), Path.Combine(folder, DomainLayout.MaskFolder));
        var masks = DomainLayout.Images(maskFolder)
            .Where(path => Path.GetExtension(path).Equals(".png", StringComparison.OrdinalIgnoreCase))
            .ToDictionary(path => Path.GetFileNameWithoutExtension(path), StringComparer.Ordinal);
        var frames = new List<Frame>();
        foreach (var image in DomainLayout.Images(imageFolder))
        {
            if (!masks.Remove(Path.GetFileNameWithoutExtension(image), out var mask))
                throw new InvalidDataException(
                    $"'{image}' has no mask: there is no file "
                    + $"'{Path.Combine(maskFolder, Path.GetFileNameWithoutExtension(image))}.png'.");
            var (imageSize, maskSize) = (PixelPipeline.ImageSize(image), PixelPipeline.ImageSize(mask));
            if (imageSize != maskSize)
                throw new InvalidDataException(
                    $"'{image}' is {imageSize.Width} x {imageSize.Height} pixels, its mask {maskSize.Width} x "
                    + $"{maskSize.Height}.");
            frames.Add(new(image, mask));
        }
        if (frames.Count == 0)
            throw DomainLayout.NoImages(imageFolder, "*.png", folder);
        return masks.Count == 0 ? frames
            : throw new InvalidDataException(
                $"'{masks.Values.Order(StringComparer.Ordinal).First()}' has no image in '{imageFolder}'.");
    }

    /// <summary>The classes where nobody names them.</summary>
    private static IReadOnlyList<string> Assumed(string root, int? count, Action<string>? warn)
    {
        IReadOnlyList<string> names = count is null || count == CamVid.Classes.Count ? CamVid.Classes
            : [.. Enumerable.Range(0, count.Value).Select(number => $"class {number}")];
        warn?.Invoke(
            $"'{root}' has no {ClassFile} with the name of a class in each line: 0 to {names.Count - 1} in masks are taken "
            + $"to be {(names == CamVid.Classes ? "CamVid's classes" : "the network's")}, {names[0]} to {names[^1]}; "
            + "other numbers do not count.");
        return names;
    }

    private static string[]? ReadClasses(string path, IReadOnlyList<string>? classes)
    {
        if (!File.Exists(path))
            return null;
        var names = File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0).ToArray();
        if (names.Length is 0 or > byte.MaxValue)
            throw new InvalidDataException(
                $"'{path}' names {names.Length} classes; it takes 1 to {byte.MaxValue}, one a line.");
        if (names.CountBy(name => name).FirstOrDefault(count => count.Value > 1) is { Key: { } twice })
            throw new InvalidDataException($"'{path}' names the class '{twice}' twice.");
        if (classes is not null && names.Zip(classes)
            .FirstOrDefault(pair => pair.First != pair.Second) is { First: { } own, Second: { } other })
            throw new InvalidDataException($"'{path}' has the class '{own}' where the network has '{other}'.");
        return names;
    }
}
