using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>The source network's numbers, for networks that may have had its normalizations folded and be quantized since.</summary>
internal sealed class TaskVectors
{
    private readonly Dictionary<string, double[]> _origins = new(StringComparer.Ordinal);

    /// <summary>Reads the source.</summary>
    /// <exception cref="ArgumentException">It is not the source of the networks; the message names the first parameter that it lacks.</exception>
    public TaskVectors(Network source, Graph graph, IReadOnlyList<MergeSource> sources)
    {
        var scales = graph.Nodes.Where(node => node.Operator is FakeQuantize).Select(node => node.Inputs[1]).ToHashSet(StringComparer.Ordinal);
        Definitions = [.. graph.Parameters.Where(definition => !MergeSource.IsConstant(definition) && definition.Role != ParameterRole.Statistic && !scales.Contains(definition.Name))];
        var isFolded = !graph.Nodes.Any(node => node.Operator is BatchNormalization);
        using var folded = isFolded ? FoldBatchNormalization.Apply(source) : source.Clone();
        var quantized = QuantizedWeight.Find(graph);
        using var scope = torch.NewDisposeScope();
        foreach (var definition in Definitions)
        {
            if (folded.Graph.Parameters.FirstOrDefault(parameter => parameter.Name == definition.Name) is not { } own || !own.Shape.SequenceEqual(definition.Shape))
                throw new ArgumentException($"The source is not one that the networks can descend from: it has no parameter '{definition.Name}' of shape [{string.Join(", ", definition.Shape.ToArray())}].", nameof(source));
            var tensor = folded.Parameters[definition.Name].detach();
            if (quantized.TryGetValue(definition.Name, out var weight))
                tensor = tensor.transpose(0, weight.Axis);
            var origin = tensor.to(torch.ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
            if (!origin.All(double.IsFinite))
                throw new ArgumentException($"Parameter '{definition.Name}' of the source holds a number that is not finite.", nameof(source));
            _origins.Add(definition.Name, origin);
        }
    }

    /// <summary>The weights and biases.</summary>
    public IReadOnlyList<ParameterDefinition> Definitions { get; }

    /// <summary>A parameter's numbers in the source, in the order of <see cref="MergeSource.Exact"/>.</summary>
    public double[] Origin(ParameterDefinition definition) => _origins[definition.Name];
}
