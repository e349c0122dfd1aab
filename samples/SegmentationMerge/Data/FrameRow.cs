namespace SegmentationMerge.Data;

/// <summary>A row of the data that networks are trained and measured with.</summary>
internal sealed class FrameRow : ImageRow
{
    /// <summary>Path of the image's mask.</summary>
    public string MaskPath { get; set; } = "";
}
