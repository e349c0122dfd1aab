namespace SegmentationMerge.Data;

/// <summary>A row of the data that a network which serves reads.</summary>
internal class ImageRow
{
    /// <summary>Path of the image.</summary>
    public string ImagePath { get; set; } = "";
}
