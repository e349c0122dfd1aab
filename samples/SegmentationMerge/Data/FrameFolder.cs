using Hdrq.Samples.Data;
using SkiaSharp;

namespace SegmentationMerge.Data;

/// <summary>
/// Images and masks of several domains, laid out as <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;images|labels&gt;/&lt;frame&gt;.{jpg,png}</c>.
/// </summary>
/// <remarks>
/// A subfolder is a domain when it holds a <c>train</c> or a <c>test</c> folder; other subfolders are ignored, as are names that begin with a dot. Images end in .png, .jpg, .jpeg or .bmp,
/// masks in .png. The names of the classes are the lines of <c>classes.txt</c>, in the order of their numbers in masks; without that file they are CamVid's. Other numbers have no class.
/// </remarks>
internal sealed class FrameFolder
{
    private const string ClassFile = "classes.txt";

    private readonly DomainFiles<Frame> _frames;

    private FrameFolder(string folder, IReadOnlyList<string> domains, IReadOnlyList<string> classes)
    {
        Domains = domains;
        Classes = classes;
        _frames = new(folder, domains, Scan);
    }

    /// <summary>Domain names: the source's first, the others in ordinal order.</summary>
    public IReadOnlyList<string> Domains { get; }

    /// <summary>Class names in the order of their numbers.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Scans a data folder.</summary>
    /// <param name="folder">The folder that holds the domains.</param>
    /// <param name="source">The source domain; null for <c>clean</c>, <c>clear</c> or <c>day</c>, or the first by name.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">No domain, an empty split, an image without a mask or a mask without an image, a mask of another size than its image, or a list of classes that is empty or names one twice.</exception>
    public static FrameFolder Open(string folder, string? source = null)
    {
        var (root, domains) = DomainLayout.Find(folder, "<domain>/<train|test>/<images|labels>/<frame>", source);
        return new(root, domains, ReadClasses(Path.Combine(root, ClassFile)));
    }

    /// <summary>Writes the list of classes of a data folder.</summary>
    public static void WriteClasses(string folder, IEnumerable<string> classes) => File.WriteAllLines(Path.Combine(folder, ClassFile), classes);

    /// <summary>The frames of one split of a domain, by name in ordinal order; never empty.</summary>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<Frame> Frames(string domain, DataSplit split) => _frames[domain, split];

    /// <summary>Height and width of the first image.</summary>
    public (int Height, int Width) FirstImageSize() => Size(Frames(Domains[0], DataSplit.Train)[0].ImagePath);

    private static List<Frame> Scan(string domain, string folder)
    {
        var (imageFolder, maskFolder) = (Path.Combine(folder, "images"), Path.Combine(folder, "labels"));
        var masks = DomainLayout.Images(maskFolder).Where(path => Path.GetExtension(path).Equals(".png", StringComparison.OrdinalIgnoreCase)).ToDictionary(path => Path.GetFileNameWithoutExtension(path), StringComparer.Ordinal);
        var frames = new List<Frame>();
        foreach (var image in DomainLayout.Images(imageFolder))
        {
            if (!masks.Remove(Path.GetFileNameWithoutExtension(image), out var mask))
                throw new InvalidDataException($"'{image}' has no mask: there is no file '{Path.Combine(maskFolder, Path.GetFileNameWithoutExtension(image))}.png'.");
            var (imageSize, maskSize) = (Size(image), Size(mask));
            if (imageSize != maskSize)
                throw new InvalidDataException($"'{image}' is {imageSize.Width} x {imageSize.Height} pixels, its mask {maskSize.Width} x {maskSize.Height}.");
            frames.Add(new(image, mask));
        }
        if (frames.Count == 0)
            throw new InvalidDataException($"'{imageFolder}' holds no images (*.png, .jpg, .jpeg or .bmp).");
        return masks.Count == 0 ? frames : throw new InvalidDataException($"'{masks.Values.Order(StringComparer.Ordinal).First()}' has no image in '{imageFolder}'.");
    }

    private static (int Height, int Width) Size(string path)
    {
        using var codec = SKCodec.Create(path) ?? throw new InvalidDataException($"'{path}' is not an image that can be read.");
        return (codec.Info.Height, codec.Info.Width);
    }

    private static IReadOnlyList<string> ReadClasses(string path)
    {
        if (!File.Exists(path))
            return CamVid.Classes;
        var names = File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0).ToArray();
        if (names.Length is 0 or > byte.MaxValue)
            throw new InvalidDataException($"'{path}' names {names.Length} classes; it takes 1 to {byte.MaxValue}, one a line.");
        return names.CountBy(name => name).FirstOrDefault(count => count.Value > 1) is { Key: { } twice } ? throw new InvalidDataException($"'{path}' names the class '{twice}' twice.") : names;
    }
}
