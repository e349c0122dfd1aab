namespace Microsoft.ML.Hdrq.LoadOnly;

/// <summary>A row of the data that models of images start from.</summary>
internal sealed class ImageFile
{
    /// <summary>Path of the image.</summary>
    public string ImagePath { get; set; } = "";
}
