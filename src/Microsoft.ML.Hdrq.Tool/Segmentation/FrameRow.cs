using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>An image and its mask.</summary>
internal sealed class FrameRow : ImageRow
{
    /// <summary>Path of the image's mask.</summary>
    public string MaskPath { get; set; } = "";
}
