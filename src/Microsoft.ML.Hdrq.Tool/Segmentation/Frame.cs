namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>An image and its mask.</summary>
/// <param name="ImagePath">Full path of the image.</param>
/// <param name="MaskPath">
/// Full path of the mask: a PNG file of the same size with the number of a class in every pixel.
/// </param>
internal readonly record struct Frame(string ImagePath, string MaskPath);
