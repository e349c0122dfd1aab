using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Makes layers whose outputs differ least from those of all networks on their own inputs.</summary>
internal sealed class RegMeanMergeMethod(double correlation) : MergeMethod
{
    /// <summary>
    /// The damping added to diagonals, relative to their mean: where no network has an input, the mean remains.
    /// </summary>
    private const double Damping = 1e-6;

    /// <summary>
    /// Added to diagonals for layers whose inputs are always 0: small against all moments that occur, and large enough
    /// that products with it do not vanish.
    /// </summary>
    internal const double Tiny = 1e-100;

    public override string Name => "RegMean";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var targets = Targets(graph, networks);
        return definition =>
        {
            using var scope = torch.NewDisposeScope();
            return targets(definition)?.Values;
        };
    }

    internal override Func<ParameterDefinition, MergeTarget?> Targets(
        Graph graph, IReadOnlyList<MergeInput> networks)
    {
        foreach (var network in networks)
        {
            if (!InputGrams.AreIn(network.Metadata))
            {
                throw new ArgumentException(
                    $"RegMean needs the Gram matrices of layers' inputs, and {network.Name} carries none; "
                    + "quantize or adapt it with KeepInputGrams.");
            }
        }
        var layers = graph.Layers.MatrixProducts.ToDictionary(layer => layer.Weight, StringComparer.Ordinal);
        return definition => layers.TryGetValue(definition.Name, out var layer)
            && networks.Any(network => InputGrams.AreIn(network.Metadata, definition.Name))
                ? Solve(definition, layer, networks)
                : null;
    }

    private MergeTarget Solve(ParameterDefinition definition, Layer layer, IReadOnlyList<MergeInput> networks)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        // Only matrices can have their outputs along another axis than the first.
        var isTransposed = layer.OutputAxis != 0;
        var outputs = definition.Shape[layer.OutputAxis];
        var inputs = layer.InputSize;
        var product = torch.zeros([outputs, inputs], torch.ScalarType.Float64);
        var rest = torch.zeros([inputs], torch.ScalarType.Float64);
        var factors = new List<torch.Tensor>();
        foreach (var network in networks)
        {
            var gram = InputGrams.Read(network.Metadata, definition.Name, inputs)
                ?? throw new ArgumentException(
                    $"RegMean needs the Gram matrix of the inputs of '{definition.Name}', of {inputs} rows, "
                    + $"and {network.Name} has none.");
            var kept = gram.Factor.square().sum(1);
            var damping = gram.Rest.add(kept, Scalars.One)
                .mean()
                .mul(Scalars.Keep(Damping))
                .add(Scalars.Keep(Tiny), Scalars.One);
            // What the correlation factor takes off beside the diagonal stays on the diagonal.
            var diagonal = gram.Rest.add(kept, Scalars.Keep(1 - correlation))
                .add(damping, Scalars.One)
                .mul(Scalars.Keep(network.Share));
            var factor = gram.Factor.mul(Scalars.Keep(Math.Sqrt(correlation * network.Share)));
            var weight = torch.tensor(network.Values(definition).ToArray());
            weight = isTransposed ? weight.reshape(inputs, outputs).t().contiguous() : weight.reshape(outputs, inputs);
            product.add_(weight.mul(diagonal), Scalars.One).add_(weight.mm(factor).mm(factor.t()), Scalars.One);
            rest.add_(diagonal, Scalars.One);
            factors.Add(factor);
        }
        // W (diag(rest) + F F^T) = product, by Woodbury's identity: no tensor here has inputs x inputs elements.
        var all = torch.cat(factors, 1);
        var scaled = all.div(rest.unsqueeze(1));
        var first = product.div(rest);
        var core = torch.eye(all.shape[1], dtype: torch.ScalarType.Float64).add(all.t().mm(scaled), Scalars.One);
        var solved = first.sub(torch.linalg.solve(core, first.mm(all).t()).t().mm(scaled.t()));
        var values = (isTransposed ? solved.t() : solved).contiguous().data<double>().ToArray();
        var total = new InputGram(rest.MoveToOuterDisposeScope(), all.MoveToOuterDisposeScope());
        // With scales along another axis than that of the outputs, one output has no steps of its own.
        return new(values)
        {
            Round = (merged, axis) => axis == layer.OutputAxis
                ? CompensatedRounding.Round(merged, total)
                : merged.Nearest(),
        };
    }
}
