using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>
/// From image files to the pixels that a network takes and the key that its classes are: plain ML.NET.
/// </summary>
internal sealed class ImagePipeline
{
    private readonly DomainFolder _folder;
    private readonly EstimatorChain<ValueToKeyMappingTransformer> _preprocessing;

    public ImagePipeline(MLContext context, DomainFolder folder, int height, int width)
    {
        _folder = folder;
        Pixels = new(context, height, width);
        var classNames =
            context.Data.LoadFromEnumerable(folder.Classes.Select(name => new ClassRow { ClassName = name }));
        _preprocessing = Pixels.Reading.Append(context.Transforms.Conversion.MapValueToKey(
            DomainNetworks.Label, nameof(LabeledImageRow.ClassName), keyData: classNames));
    }

    /// <summary>From image files to pixels.</summary>
    public PixelPipeline Pixels { get; }

    /// <summary>The images of a domain as pixels and labels, read when a cursor asks for them.</summary>
    public IDataView Read(string domain, DataSplit split, CancellationToken cancellationToken) =>
        Read(_folder.Files(domain, split), cancellationToken);

    /// <summary>Some images as pixels and labels, read when a cursor asks for them.</summary>
    public IDataView Read(IReadOnlyList<LabeledFile> files, CancellationToken cancellationToken) => Pixels.Read(
        _preprocessing, files, file =>
            new LabeledImageRow { ImagePath = file.Path, ClassName = _folder.Classes[file.ClassIndex] },
            cancellationToken);
}
