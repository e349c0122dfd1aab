namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Which rows are read, of those that there are.</summary>
/// <param name="Count">The most rows, drawn at random.</param>
/// <param name="Seed">The seed of the draws.</param>
/// <param name="CropSize">The side of the square that is cut at random out of each image; null for whole images.</param>
internal sealed record RowSample(int Count, int Seed, int? CropSize = null);
