namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The distance of a layer's weight from that of another network.</summary>
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
    /// The Frobenius norm of the difference. Quantized weights count with their values on the grid, and batch
    /// normalization is folded into the weights.
    /// </summary>
    public double Distance { get; }

    /// <summary>The distance divided by the norm of the other network's weight.</summary>
    public double Relative { get; }
}
