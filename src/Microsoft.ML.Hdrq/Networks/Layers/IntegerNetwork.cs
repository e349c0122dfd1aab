using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Networks of which an integer runtime computes what the simulation computes.</summary>
internal static class IntegerNetwork
{
    /// <summary>
    /// Whether every layer with a quantized weight has a bias of integers or none, and all outputs are quantized. Other quantized networks stay in floating point here and there, and runtimes
    /// round their biases.
    /// </summary>
    public static bool IsComplete(Network network)
    {
        var flow = new DataFlow(network.Graph);
        var biases = IntegerBias.Find(network.Graph).ToDictionary(bias => bias.Layer);
        return network.Graph.Outputs.All(output => flow.Definer(GridFlow.Origin(flow, output.Name))?.Operator is FakeQuantize) && network.Graph.Nodes.All(HasIntegers);

        bool HasIntegers(GraphNode layer)
        {
            if (flow.WeightInput(layer) is not { } weight || flow.Definer(weight)?.Operator is not FakeQuantize || layer.Inputs.Length < 3)
                return true;
            using var integers = biases.TryGetValue(layer, out var bias) ? bias.Integers(network.Parameters) : null;
            return integers is not null;
        }
    }
}
