namespace ImageClassificationMerge.Data;

/// <summary>A row of the data that the pipeline starts from.</summary>
internal sealed class ImageRow
{
    /// <summary>Path of the image.</summary>
    public string ImagePath { get; set; } = "";

    /// <summary>Name of its class.</summary>
    public string ClassName { get; set; } = "";
}
