namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>A row of the data that every pipeline starts from, and that saved models read.</summary>
internal class ImageRow
{
    /// <summary>Path of the image.</summary>
    public string ImagePath { get; set; } = "";
}
