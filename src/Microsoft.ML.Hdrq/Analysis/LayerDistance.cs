using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How far a layer's weight is from that of another network.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Distance">The Frobenius norm of the difference; weights that are quantized count as they are on their grid, and batch normalization as folded into them.</param>
/// <param name="Relative">The distance, divided by the norm of the other network's weight.</param>
public sealed record LayerDistance(string Layer, double Distance, double Relative);
