using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Merges the layers of a merged network again, from the first to the last, on what they read in it: the layers before
/// them are not those of any site, and neither is what they give. Each layer becomes the one whose outputs there differ
/// least from those that each site's own network has on the same images,
/// <c>min sum lambda_d E |W x_d + b - t_d|^2 + alpha |W - W_merged|^2</c>, in closed form (RegMean++, arXiv 2508.03121;
/// FeatCal, arXiv 2605.13030). Its integers are chosen so that one makes up for what rounding another did.
/// </summary>
internal sealed class SecondRound
{
    /// <summary>
    /// How much the merged weights count, alpha, relative to the mean variance of inputs: few images say little of
    /// some directions.
    /// </summary>
    private const double Anchor = 0.003;

    /// <summary>What the name of the method ends with in a network whose layers are all merged again.</summary>
    public const string Suffix = ", second round";

    private readonly Network _merged;
    private readonly IReadOnlyList<MergeSource> _sources;
    private readonly IReadOnlyDictionary<string, QuantizedWeight> _quantized;
    private readonly Dictionary<string, IntegerBias> _integerBiases;

    /// <summary>Prepares a second round.</summary>
    /// <param name="merged">The merged network, which is changed.</param>
    /// <param name="sources">The networks that it was merged from.</param>
    public SecondRound(Network merged, IReadOnlyList<MergeSource> sources)
    {
        (_merged, _sources) = (merged, sources);
        _quantized = QuantizedWeight.Find(merged.Graph);
        _integerBiases = IntegerBias.Find(merged.Graph)
            .Where(bias => bias.Integers(merged.Parameters) is not null)
            .ToDictionary(bias => bias.Bias, StringComparer.Ordinal);
    }

    /// <summary>
    /// The layers in the order in which they are merged again; those that do not depend on each other together.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<Layer>> Steps(Graph graph)
    {
        var merged = graph.Layers.MatrixProducts.ToHashSet();
        var depths = new Dictionary<string, int>(StringComparer.Ordinal);
        var steps = new SortedDictionary<int, List<Layer>>();
        foreach (var node in graph.Nodes)
        {
            var depth = node.Inputs.Select(input => depths.GetValueOrDefault(input)).DefaultIfEmpty().Max();
            if (graph.Layers.Of(node) is { } layer && merged.Contains(layer))
            {
                if (!steps.TryGetValue(depth, out var step))
                    steps.Add(depth, step = []);
                step.Add(layer);
                depth++;
            }
            foreach (var output in node.Outputs)
                depths[output] = depth;
        }
        return [.. steps.Values];
    }

    /// <summary>Merges some layers again.</summary>
    /// <param name="layers">The layers, which do not depend on each other.</param>
    /// <param name="moments">What each site has measured in the merged network, in the order of the sources.</param>
    /// <returns>The names of the parameters that have changed.</returns>
    public IReadOnlySet<string> Merge(
        IEnumerable<Layer> layers, IReadOnlyList<IReadOnlyDictionary<string, LayerMoments>> moments)
    {
        using var noGradients = torch.no_grad();
        var changed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            using var scope = torch.NewDisposeScope();
            var target = Target(
                new(layer, _merged.Graph),
                [.. moments.Select((site, d) => (site[layer.Weight], _sources[d].Lambda))]);
            var quantized = _quantized.GetValueOrDefault(layer.Weight);
            foreach (var (name, value) in ParameterMerge.One(
                layer.Parameter!, quantized, _merged.Graph, _sources, target))
            {
                _merged.Parameters[name].copy_(value);
                changed.Add(name);
            }
            if (layer.Bias is { } bias && _integerBiases.TryGetValue(bias, out var integers))
                integers.Round(_merged.Parameters);
        }
        return changed;
    }

    private MergeTarget Target(MergedLayer layer, IReadOnlyList<(LayerMoments Moments, double Share)> sites)
    {
        var shares = RegMeanMergeMethod.Shares(
            [.. sites.Select(site => (site.Share, site.Moments.Inputs.Squared().sum(), site.Moments.InputMean))]);
        var (merged, _) = layer.Held(_merged);
        // With a bias, which takes up what the means say, inputs and outputs count from their common means.
        var (inputMean, outputMean) = layer.Bias is null
            ? (torch.zeros_like(merged[0]), torch.zeros_like(merged.select(1, 0)))
            : (Sum(site => site.InputMean), Sum(site => site.OutputMean));
        var inputs = Sum(site => site.Inputs
            .add(site.InputMean.sub(inputMean).outer(site.InputMean.sub(inputMean)), Scalars.One));
        var cross = Sum(site => site.Cross
            .add(site.OutputMean.sub(outputMean).outer(site.InputMean.sub(inputMean)), Scalars.One));
        var anchor = inputs.diagonal().mean()
            .mul(Scalars.Keep(Anchor))
            .add(Scalars.Keep(RegMeanMergeMethod.Tiny), Scalars.One);
        var left = inputs.add(torch.eye(layer.Inputs, dtype: inputs.dtype).mul(anchor), Scalars.One);
        var right = cross.add(merged.mul(anchor), Scalars.One);
        return layer.Target(
            torch.linalg.solve(left, right.t()).t(), inputMean, outputMean,
            weight => CompensatedRounding.Round(weight, inputs), Values);

        double[] Values(string name) => HostValues.Numbers(_merged.Parameters[name]);

        torch.Tensor Sum(Func<LayerMoments, torch.Tensor> of) => sites
            .Select((site, d) => of(site.Moments).mul(Scalars.Keep(shares[d])))
            .Aggregate((sum, next) => sum.add(next, Scalars.One));
    }
}
