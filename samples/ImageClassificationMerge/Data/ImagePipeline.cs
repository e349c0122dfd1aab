using Hdrq.Samples;
using Hdrq.Samples.Data;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;
using SkiaSharp;

namespace ImageClassificationMerge.Data;

/// <summary>From image files to the pixels that a network takes and the key that its classes are: plain ML.NET.</summary>
internal sealed class ImagePipeline
{
    private readonly MLContext _context;
    private readonly DomainFolder _folder;
    private readonly EstimatorChain<ValueToKeyMappingTransformer> _preprocessing;

    public ImagePipeline(MLContext context, DomainFolder folder, int height, int width)
    {
        _context = context;
        _folder = folder;
        Height = height;
        var classNames = context.Data.LoadFromEnumerable(folder.Classes.Select(name => new ClassRow { ClassName = name }));
        Reading = context.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageRow.ImagePath))
            .Append(context.Transforms.ResizeImages("Image", width, height, resizing: ImageResizingEstimator.ResizingKind.Fill))
            .Append(context.Transforms.ExtractPixels(DomainNetworks.Pixels, "Image"));
        _preprocessing = Reading.Append(context.Transforms.Conversion.MapValueToKey(DomainNetworks.Label, nameof(ImageRow.ClassName), keyData: classNames));
    }

    /// <summary>From image files to pixels.</summary>
    public EstimatorChain<ImagePixelExtractingTransformer> Reading { get; }

    /// <summary>The height that images are given.</summary>
    public int Height { get; }

    /// <summary>The size that a network's input has, or that of the first image where the network takes any.</summary>
    public static (int Height, int Width) InputSize(Network network, DomainFolder folder)
    {
        var shape = network.Graph.Inputs[0].Shape;
        if (shape.Length != 4 || (shape[1] != 3 && shape[1] != -1))
            throw new InvalidDataException($"The network's input {network.Graph.Inputs[0]} is not a batch of colour images [N, 3, height, width].");
        return shape[2] > 0 && shape[3] > 0 ? ((int)shape[2], (int)shape[3]) : FirstImageSize(folder);
    }

    public static (int Height, int Width) FirstImageSize(DomainFolder folder)
    {
        var path = folder.Files(folder.Domains[0], DataSplit.Train)[0].Path;
        using var codec = SKCodec.Create(path) ?? throw new InvalidDataException($"'{path}' is not an image that can be read.");
        return (codec.Info.Height, codec.Info.Width);
    }

    /// <summary>The images of a domain as pixels and labels, read when a cursor asks for them.</summary>
    public IDataView Read(string domain, DataSplit split, CancellationToken cancellationToken) => Read(_folder.Files(domain, split), cancellationToken);

    /// <summary>Some images as pixels and labels, read when a cursor asks for them.</summary>
    public IDataView Read(IReadOnlyList<LabeledFile> files, CancellationToken cancellationToken)
    {
        var rows = _context.Data.LoadFromEnumerable(Enumerate());
        return _preprocessing.Fit(rows).Transform(rows);

        IEnumerable<ImageRow> Enumerate()
        {
            foreach (var file in files)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new ImageRow { ImagePath = file.Path, ClassName = _folder.Classes[file.ClassIndex] };
            }
        }
    }
}
