using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>
/// Resizes masks as <c>ResizeImages</c> resizes images, so that both stay aligned; every pixel takes the value of the
/// nearest source pixel.
/// </summary>
/// <param name="Width">The new width, in pixels.</param>
/// <param name="Height">The new height, in pixels.</param>
/// <param name="Kind">How the aspect ratio is treated.</param>
/// <param name="Anchor">What a crop keeps.</param>
internal readonly record struct MaskResizing(
    int Width, int Height, ImageResizingEstimator.ResizingKind Kind, ImageResizingEstimator.Anchor Anchor)
{
    /// <summary>Resizes a mask.</summary>
    /// <param name="source">The values, row after row.</param>
    /// <param name="width">Their width.</param>
    /// <param name="height">Their height.</param>
    /// <param name="outside">The value of pixels outside of the source.</param>
    public byte[] Apply(byte[] source, int width, int height, byte outside)
    {
        var columns = Places(Width, width, Scale(width, height), AlongX);
        var rows = Places(Height, height, Scale(height, width, isHeight: true), AlongY);
        var result = new byte[Width * Height];
        for (var y = 0; y < Height; y++)
        {
            for (var x = 0; x < Width; x++)
                result[y * Width + x] = rows[y] < 0 || columns[x] < 0 ? outside : source[rows[y] * width + columns[x]];
        }
        return result;
    }

    private double AlongX => Anchor switch
    {
        ImageResizingEstimator.Anchor.Left => 0,
        ImageResizingEstimator.Anchor.Right => 1,
        _ => 0.5,
    };

    private double AlongY => Anchor switch
    {
        ImageResizingEstimator.Anchor.Top => 0,
        ImageResizingEstimator.Anchor.Bottom => 1,
        _ => 0.5,
    };

    /// <summary>The factor by which a side grows, from its own size and that of the other side.</summary>
    private double Scale(int size, int otherSize, bool isHeight = false)
    {
        var own = (double)(isHeight ? Height : Width) / size;
        var other = (double)(isHeight ? Width : Height) / otherSize;
        return Kind switch
        {
            ImageResizingEstimator.ResizingKind.Fill => own,
            ImageResizingEstimator.ResizingKind.IsoPad => Math.Min(own, other),
            _ => Math.Max(own, other),
        };
    }

    /// <summary>For every pixel along a side, the index of the source pixel under its centre, or -1.</summary>
    private int[] Places(int size, int sourceSize, double scale, double anchor)
    {
        // Padding is the same on both sides, whatever a crop would keep.
        var first = (size - sourceSize * scale) * (Kind == ImageResizingEstimator.ResizingKind.IsoCrop ? anchor : 0.5);
        return
        [
            .. Enumerable.Range(0, size)
                .Select(i => (int)Math.Floor((i + 0.5 - first) / scale))
                .Select(place => place >= 0 && place < sourceSize ? place : -1),
        ];
    }
}
