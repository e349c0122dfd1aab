namespace Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

/// <summary>A row of a contact sheet.</summary>
/// <param name="Title">What stands before it; rows with the same title one after another share it.</param>
/// <param name="Cells">Its pictures: height x width x 3 bytes each.</param>
internal sealed record SheetRow(string Title, IReadOnlyList<byte[]> Cells);
