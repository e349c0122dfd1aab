using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// The values of the source network, for networks whose normalizations may have been folded, and which may have been
/// quantized, since.
/// </summary>
internal sealed class TaskVectors
{
    private readonly Dictionary<string, double[]> _origins = new(StringComparer.Ordinal);

    /// <summary>Reads the source.</summary>
    /// <param name="source">The source.</param>
    /// <param name="graph">The graph of the networks.</param>
    /// <param name="parameters">The weights and biases.</param>
    /// <exception cref="ArgumentException">
    /// The source cannot be the source of the networks, and the message names the first parameter that it lacks; or a
    /// value of it is not finite.
    /// </exception>
    public TaskVectors(Network source, Graph graph, ImmutableArray<ParameterDefinition> parameters)
    {
        var isFolded = !graph.Nodes.Any(node => node.Operator is BatchNormalization);
        using var folded = isFolded ? FoldBatchNormalization.Apply(source) : source.Clone();
        using var scope = torch.NewDisposeScope();
        foreach (var definition in parameters)
        {
            var own = folded.Graph.Parameters.FirstOrDefault(parameter => parameter.Name == definition.Name);
            if (own is null || !own.Shape.SequenceEqual(definition.Shape))
            {
                throw new ArgumentException(
                    "The source is not one that the networks can descend from: it has no parameter "
                    + $"'{definition.Name}' of shape [{string.Join(", ", definition.Shape.ToArray())}].",
                    nameof(source));
            }
            var tensor = folded.Parameters[definition.Name].detach();
            var origin = HostValues.Numbers(tensor);
            if (!origin.All(double.IsFinite))
            {
                throw new ArgumentException(
                        $"Parameter '{definition.Name}' of the source holds a value that is not finite.",
                        nameof(source));
            }
            _origins.Add(definition.Name, origin);
        }
    }

    /// <summary>
    /// Gets the values of a parameter in the source, in the order of <see cref="MergeInput.Values"/>.
    /// </summary>
    public double[] Origin(ParameterDefinition definition) => _origins[definition.Name];
}
