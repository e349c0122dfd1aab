using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Layers whose outputs differ least from all networks' outputs on their own inputs.</summary>
internal sealed class RegMeanMergeMethod(double correlation) : MergeMethod
{
    /// <summary>What is added to diagonals, relative to their mean: where no network has an input, the mean is left.</summary>
    private const double Damping = 1e-6;

    internal override string Name => "RegMean";

    internal override Func<ParameterDefinition, double[]?>? Prepare(Graph graph, IReadOnlyList<MergeSource> sources)
    {
        foreach (var network in sources)
        {
            if (!InputGrams.AreIn(network.Metadata))
                throw new ArgumentException($"RegMean needs the Gram matrices of layers' inputs, and {network.Name} carries none; quantize or adapt it with KeepInputGrams.");
        }
        var layers = InputGrams.Layers(graph).ToDictionary(layer => layer.Parameter, StringComparer.Ordinal);
        var quantized = QuantizedWeight.Find(graph);
        return definition => layers.TryGetValue(definition.Name, out var layer) ? Solve(definition, layer, quantized.ContainsKey(definition.Name), sources) : null;
    }

    private double[] Solve(ParameterDefinition definition, InputGrams.Layer layer, bool outputsFirst, IReadOnlyList<MergeSource> sources)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        // Quantized weights come with their output channels first; others as they are.
        var shape = definition.Shape.ToArray();
        var isTransposed = layer.OutputAxis != 0 && !outputsFirst;
        var outputs = shape[layer.OutputAxis];
        var inputs = layer.InputSize(definition.Shape);
        var product = torch.zeros([outputs, inputs], torch.ScalarType.Float64);
        var total = torch.zeros([inputs, inputs], torch.ScalarType.Float64);
        foreach (var network in sources)
        {
            var gram = InputGrams.Read(network.Metadata, definition.Name, inputs) ?? throw new ArgumentException($"RegMean needs the Gram matrix of the inputs of '{definition.Name}', of {inputs} rows, and {network.Name} has none.");
            var diagonal = gram.diagonal();
            gram = gram.mul(Scalars.Keep(correlation)).add(diagonal.mul(Scalars.Keep(1 - correlation)).add(diagonal.mean().mul(Scalars.Keep(Damping)).add(Scalars.Keep(double.Epsilon), Scalars.One), Scalars.One).diag(), Scalars.One).mul(Scalars.Keep(network.Lambda));
            var weight = torch.tensor(network.Exact(definition.Name));
            weight = isTransposed ? weight.reshape(inputs, outputs).t() : weight.reshape(outputs, inputs);
            product.add_(weight.mm(gram), Scalars.One);
            total.add_(gram, Scalars.One);
        }
        // W total = product; total is symmetric.
        var solved = torch.linalg.solve(total, product.t());
        return (isTransposed ? solved : solved.t()).contiguous().data<double>().ToArray();
    }
}
