namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>What became of a layer with weights.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Type">Its operator.</param>
/// <param name="WeightBits">The bits of its weight; null where that is not quantized.</param>
/// <param name="InputBits">The bits of its input; null where that is not quantized.</param>
/// <param name="IsInteger">Whether ONNX Runtime computes it with an integer kernel.</param>
/// <param name="Reason">Why it does not; null where it does.</param>
public sealed record LayerReport(string Name, string Type, int? WeightBits, int? InputBits, bool IsInteger, string? Reason);
