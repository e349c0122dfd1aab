using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Transforms.Image;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>From image files to the pixels that a network takes: plain ML.NET.</summary>
internal sealed class PixelPipeline
{
    /// <summary>The column that networks read.</summary>
    public const string Pixels = "Pixels";

    private readonly MLContext _context;

    /// <param name="context">The context.</param>
    /// <param name="height">The height that images are given.</param>
    /// <param name="width">The width that images are given.</param>
    public PixelPipeline(MLContext context, int height, int width)
    {
        (_context, Height, Width) = (context, height, width);
        Reading = context.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageRow.ImagePath))
            .Append(context.Transforms.ResizeImages(
                "Image", width, height, resizing: ImageResizingEstimator.ResizingKind.Fill))
            .Append(context.Transforms.ExtractPixels(Pixels, "Image"));
    }

    /// <summary>The height that images are given.</summary>
    public int Height { get; }

    /// <summary>The width that images are given.</summary>
    public int Width { get; }

    /// <summary>From image files to pixels.</summary>
    public EstimatorChain<ImagePixelExtractingTransformer> Reading { get; }

    /// <summary>Rows of files, none of them, for pipelines that are fitted to no images.</summary>
    public IDataView NoFiles => _context.Data.LoadFromEnumerable<ImageRow>([]);

    /// <summary>Images as pixels, without labels; read when a cursor asks for them.</summary>
    public IDataView Read(IReadOnlyList<string> paths, CancellationToken cancellationToken = default) =>
        Read(Reading, paths, path => new ImageRow { ImagePath = path }, cancellationToken);

    /// <summary>Images of several places as pixels, without labels; read when a cursor asks for them.</summary>
    public IDataView Read(
        IEnumerable<(string Domain, IReadOnlyList<string> Paths)> places, CancellationToken cancellationToken) =>
        Read(
            Reading, [.. places.SelectMany(place => place.Paths.Select(path => (place.Domain, path)))],
            item => new DomainRow { ImagePath = item.path, Domain = item.Domain }, cancellationToken);

    /// <summary>Rows through a pipeline; made when a cursor asks for them.</summary>
    public IDataView Read<T,
        TRow>(IEstimator<ITransformer> pipeline, IReadOnlyList<T> items, Func<T, TRow> row,
        CancellationToken cancellationToken)
        where TRow : class
    {
        var rows = _context.Data.LoadFromEnumerable(Enumerate());
        return pipeline.Fit(rows).Transform(rows);

        IEnumerable<TRow> Enumerate()
        {
            foreach (var item in items)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return row(item);
            }
        }
    }

    /// <summary>The size of a network's input, or that of an image where the network takes any.</summary>
    /// <param name="network">The network.</param>
    /// <param name="image">The image, asked for only if the network takes any size.</param>
    /// <exception cref="InvalidDataException">The network does not take colour images.</exception>
    public static (int Height, int Width) InputSize(Network network, Func<string> image) =>
        InputSize(network, new Lazy<(int, int)>(() => ImageSize(image())));

    /// <summary>The size of a network's input, or another where the network takes any.</summary>
    public static (int Height, int Width) InputSize(Network network, (int Height, int Width) size) =>
        InputSize(network, new Lazy<(int, int)>(size));

    private static (int Height, int Width) InputSize(Network network, Lazy<(int Height, int Width)> size)
    {
        var input = network.Graph.Inputs[0];
        if (input.Shape is not [_, 3 or -1, var height, var width])
            throw new InvalidDataException(
                $"The network's input {input} is not a batch of colour images [N, 3, height, width].");
        return (height > 0 ? (int)height : size.Value.Height, width > 0 ? (int)width : size.Value.Width);
    }

    /// <summary>
    /// Looks whether all of some files are whole images, before work that would end hours later at one that is none,
    /// or learn from the grey that stands for what is missing of it.
    /// </summary>
    /// <param name="paths">The files; only their heads and ends are read.</param>
    /// <exception cref="InvalidDataException">One is no image that can be read, or is cut off.</exception>
    public static void CheckImages(IEnumerable<string> paths)
    {
        var fault = paths.AsParallel().AsOrdered().Select(Fault).FirstOrDefault(fault => fault is not null);
        if (fault is not null)
            throw fault;

        static InvalidDataException? Fault(string path)
        {
            using var codec = SKCodec.Create(path);
            return codec is null ? NoImage(path)
                : ImageEnd.IsThere(path) || IsWhole(codec) ? null
                : new($"'{path}' is cut off: the end of the image is missing.");
        }

        static bool IsWhole(SKCodec codec)
        {
            using var bitmap = new SKBitmap(codec.Info);
            return codec.GetPixels(bitmap.Info, bitmap.GetPixels()) == SKCodecResult.Success;
        }
    }

    /// <summary>Height and width of an image file; only its header is read.</summary>
    /// <exception cref="InvalidDataException">The file is no image that can be read.</exception>
    public static (int Height, int Width) ImageSize(string path)
    {
        using var codec = SKCodec.Create(path) ?? throw NoImage(path);
        return (codec.Info.Height, codec.Info.Width);
    }

    private static InvalidDataException NoImage(string path) => new($"'{path}' is not an image that can be read.");
}
