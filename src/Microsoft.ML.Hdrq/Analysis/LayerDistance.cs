
namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How far a layer's weight is from that of another network.</summary>
public sealed class LayerDistance
{
    internal LayerDistance(string layer, double distance, double relative)
    {
        Layer = layer;
        Distance = distance;
        Relative = relative;
    }

    /// <summary>The layer's name.</summary>
    public string Layer { get; }

    /// <summary>
    /// The Frobenius norm of the difference; weights that are quantized count as they are on their grid, and batch
    /// normalization as folded into them.
    /// </summary>
    public double Distance { get; }

    /// <summary>The distance, divided by the norm of the other network's weight.</summary>
    public double Relative { get; }
}
