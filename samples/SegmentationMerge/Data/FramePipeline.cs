using Hdrq.Samples;
using Hdrq.Samples.Data;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Transforms.Image;

namespace SegmentationMerge.Data;

/// <summary>From files to the pixels that a network takes and the masks that it should give: plain ML.NET and <c>LoadMasks</c>.</summary>
internal sealed class FramePipeline
{
    private readonly MLContext _context;
    private readonly FrameFolder _folder;
    private readonly EstimatorChain<ITransformer> _preprocessing;

    public FramePipeline(MLContext context, FrameFolder folder, int height, int width)
    {
        (_context, _folder, Height, Width) = (context, folder, height, width);
        var masks = new MaskLoadingOptions
        {
            Resizing = ImageResizingEstimator.ResizingKind.Fill,
            ClassMap = Enumerable.Range(0, folder.Classes.Count).ToDictionary(value => (byte)value, value => (byte)value),
        };
        Reading = context.Transforms.LoadImages("Image", imageFolder: null, nameof(FrameRow.ImagePath))
            .Append(context.Transforms.ResizeImages("Image", width, height, resizing: ImageResizingEstimator.ResizingKind.Fill))
            .Append(context.Transforms.ExtractPixels(DomainNetworks.Pixels, "Image"));
        _preprocessing = Reading.Append(context.Transforms.LoadMasks(DomainNetworks.Label, nameof(FrameRow.MaskPath), width, height, masks));
    }

    /// <summary>From image files to pixels.</summary>
    public EstimatorChain<ImagePixelExtractingTransformer> Reading { get; }

    /// <summary>The height that images and masks are given.</summary>
    public int Height { get; }

    /// <summary>The width that images and masks are given.</summary>
    public int Width { get; }

    /// <summary>The frames of a domain as pixels and masks, read when a cursor asks for them.</summary>
    public IDataView Read(string domain, DataSplit split, CancellationToken cancellationToken) => Read(_folder.Frames(domain, split), cancellationToken);

    /// <summary>Some frames as pixels and masks.</summary>
    public IDataView Read(IReadOnlyList<Frame> frames, CancellationToken cancellationToken)
    {
        var rows = _context.Data.LoadFromEnumerable(Enumerate());
        return _preprocessing.Fit(rows).Transform(rows);

        IEnumerable<FrameRow> Enumerate()
        {
            foreach (var frame in frames)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new FrameRow { ImagePath = frame.ImagePath, MaskPath = frame.MaskPath };
            }
        }
    }
}
