namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>An image file and the index of its class in <see cref="DomainFolder.Classes"/>.</summary>
/// <param name="Path">Full path.</param>
/// <param name="ClassIndex">Zero-based class index.</param>
internal readonly record struct LabeledFile(string Path, int ClassIndex);
