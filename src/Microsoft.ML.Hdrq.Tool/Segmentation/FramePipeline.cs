using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>
/// From files to the pixels that a network takes and the masks that it should give: plain ML.NET and <c>LoadMasks</c>.
/// </summary>
internal sealed class FramePipeline
{
    private readonly FrameFolder _folder;
    private readonly EstimatorChain<ITransformer> _preprocessing;

    public FramePipeline(MLContext context, FrameFolder folder, int height, int width)
    {
        _folder = folder;
        Pixels = new(context, height, width);
        var masks = new MaskLoadingOptions
        {
            Resizing = ImageResizingEstimator.ResizingKind.Fill,
            ClassMap = Enumerable.Range(0, folder.Classes.Count)
                .ToDictionary(value => (byte)value, value => (byte)value),
        };
        _preprocessing =
            Pixels.Reading.Append(
                context.Transforms.LoadMasks(DomainNetworks.Label, nameof(FrameRow.MaskPath), width, height, masks));
    }

    /// <summary>From image files to pixels.</summary>
    public PixelPipeline Pixels { get; }

    /// <summary>The frames of a domain as pixels and masks, read when a cursor asks for them.</summary>
    public IDataView Read(string domain, DataSplit split, CancellationToken cancellationToken) =>
        Read(_folder.Frames(domain, split), cancellationToken);

    /// <summary>Some frames as pixels and masks.</summary>
    public IDataView Read(IReadOnlyList<Frame> frames, CancellationToken cancellationToken) => Pixels.Read(
        _preprocessing, frames, frame => new FrameRow { ImagePath = frame.ImagePath, MaskPath = frame.MaskPath },
            cancellationToken);
}
