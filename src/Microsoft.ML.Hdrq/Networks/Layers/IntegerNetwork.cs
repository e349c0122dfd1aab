namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Finds whether an integer runtime computes the same as the simulation of a network.</summary>
internal static class IntegerNetwork
{
    /// <summary>
    /// Whether every layer with a quantized weight has an integer bias or none, and all outputs are quantized. Other
    /// quantized networks are partly in floating point, and runtimes round their biases.
    /// </summary>
    public static bool IsComplete(Network network)
    {
        var layers = network.Graph.Layers;
        var biases = IntegerBias.Find(network.Graph).ToDictionary(bias => bias.Layer);
        return network.Graph.Outputs.All(output => layers.DefinedBy(network.Graph.Flow.Origin(output.Name)) is not null)
            && layers.Weighted.All(HasIntegers);

        bool HasIntegers(Layer layer)
        {
            if (layer.WeightQuantizer is null || layer.Bias is null)
                return true;
            using var integers = biases.TryGetValue(layer.Node, out var bias)
                ? bias.Integers(network.Parameters)
                : null;
            return integers is not null;
        }
    }
}
