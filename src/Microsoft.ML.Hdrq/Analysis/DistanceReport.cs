using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The distance of a network's weights from those of the network that it descends from.</summary>
public sealed class DistanceReport
{
    internal DistanceReport(ImmutableArray<LayerDistance> layers, double sourceNorm)
    {
        Layers = layers;
        Distance = Math.Sqrt(layers.Sum(layer => layer.Distance * layer.Distance));
        Relative = sourceNorm > 0 ? Distance / sourceNorm : double.NaN;
    }

    /// <summary>The layers, in the order of the graph.</summary>
    public ImmutableArray<LayerDistance> Layers { get; }

    /// <summary>The Euclidean distance over the weights of all layers.</summary>
    public double Distance { get; }

    /// <summary>The distance divided by the norm of all weights of the source.</summary>
    public double Relative { get; }
}
