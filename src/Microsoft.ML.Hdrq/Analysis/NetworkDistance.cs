using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>Measures distances between networks.</summary>
internal static class NetworkDistance
{
    /// <summary>Measures the distance of a network from its source, layer by layer.</summary>
    /// <exception cref="ArgumentException">The networks do not have the same layers.</exception>
    public static DistanceReport Measure(Network network, Network source)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var folded = FoldBatchNormalization.Apply(network);
        using var foldedSource = FoldBatchNormalization.Apply(source);
        var layers = ImmutableArray.CreateBuilder<LayerDistance>();
        var squares = 0.0;
        foreach (var (layer, other) in GraphLayers.Pair(folded, foldedSource))
        {
            var origin = other.Value(foldedSource);
            var distance = Vectors.Norm([layer.Value(folded).to(origin.device).sub(origin)]);
            var norm = Vectors.Norm([origin]);
            squares += norm * norm;
            layers.Add(new LayerDistance(layer.Name, distance, norm > 0 ? distance / norm : double.NaN));
        }
        return new DistanceReport(layers.ToImmutable(), Math.Sqrt(squares));
    }
}
