namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>A random sample of rows.</summary>
/// <param name="Count">The maximum number of rows.</param>
/// <param name="Seed">The seed of the draws.</param>
/// <param name="CropSize">
/// The side of the square that is cut at random out of each image; null for whole images.
/// </param>
internal sealed record RowSample(int Count, int Seed, int? CropSize = null);
