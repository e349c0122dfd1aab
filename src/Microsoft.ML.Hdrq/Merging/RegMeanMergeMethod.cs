using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Makes layers whose outputs differ least from those of all networks on their own inputs.</summary>
/// <param name="correlation">The factor of what is beside the diagonals of Gram matrices.</param>
/// <param name="source">
/// The network that all descend from, whose differences from them stand for the moments that they carry otherwise; null
/// where they carry some.
/// </param>
internal sealed class RegMeanMergeMethod(double correlation, Network? source = null) : MergeMethod
{
    /// <summary>The default of the factor.</summary>
    public const double StandardCorrelation = 0.97;

    /// <summary>
    /// The damping added to diagonals, relative to their mean: where no network has an input, the mean remains.
    /// </summary>
    private const double Damping = 1e-6;

    /// <summary>
    /// Added to diagonals for layers whose inputs are always 0: small against all moments that occur, and large enough
    /// that products with it do not vanish.
    /// </summary>
    internal const double Tiny = 1e-100;

    /// <summary>The smallest size of a covariance, relative to the squared mean.</summary>
    private const double MinSizeOfMean = 0.03;

    /// <summary>The smallest size of a covariance, relative to the largest of all sites.</summary>
    private const double MinSize = 0.01;

    public override string Name => source is null ? "RegMean" : "RegMean of differences";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var targets = Targets(graph, networks);
        var weights = graph.Layers.MatrixProducts
            .Select(layer => new MergedLayer(layer, graph))
            .Where(layer => layer.Bias is not null)
            .ToDictionary(layer => layer.Bias!.Name, layer => layer.Weight, StringComparer.Ordinal);
        return definition =>
        {
            using var scope = torch.NewDisposeScope();
            if (!weights.TryGetValue(definition.Name, out var weight))
                return targets(definition)?.Values;
            // The bias that goes with the weight as it is before it is rounded.
            return targets(weight) is { Bias: { } bias } target ? bias.Of(target.Values) : null;
        };
    }

    internal override Func<ParameterDefinition, MergeTarget?> Targets(
        Graph graph, IReadOnlyList<MergeInput> networks)
    {
        foreach (var network in source is null ? networks : [])
        {
            if (!InputGrams.AreIn(network.Metadata))
            {
                throw new ArgumentException(
                    $"RegMean needs the Gram matrices of layers' inputs, and {network.Name} carries none; "
                    + "quantize or adapt it with moments, of enough images.");
            }
        }
        var layers = graph.Layers.MatrixProducts.ToDictionary(layer => layer.Weight, StringComparer.Ordinal);
        var means = new MergedMeans(graph, [.. networks.Select(network => network.Source)]);
        var origins = source is null ? null : new TaskVectors(source, graph, networks[0].Parameters);
        return definition => layers.TryGetValue(definition.Name, out var layer)
            && (origins is not null || networks.Any(network => InputGrams.AreIn(network.Metadata, definition.Name)))
                ? Solve(new(layer, graph), networks, means, origins)
                : null;
    }

    private MergeTarget Solve(
        MergedLayer layer, IReadOnlyList<MergeInput> networks, MergedMeans means, TaskVectors? origins)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (outputs, inputs) = (layer.Outputs, layer.Inputs);
        var sites = Sites(layer, networks, origins);
        var shares = Shares([.. sites.Select(site => (site.Share, site.Gram.SumOfSquares, site.Gram.Mean))]);
        sites = [.. sites.Select((site, d) => site with { Share = shares[d] })];
        // With a bias, which takes up what the means say, inputs and outputs count from their common means.
        var (inputMean, outputMean) = layer.Bias is null
            ? (torch.zeros([inputs], torch.ScalarType.Float64), torch.zeros([outputs], torch.ScalarType.Float64))
            : (Mean(site => site.Gram.Mean), Mean(site => site.Outputs));
        // Inputs may be the same on all images of each site, and differ from site to site: then these differences count.
        var damping = Mean(site => site.Gram.Rest
            .add(site.Gram.Factor.Squared().sum(1), Scalars.One)
            .add(site.Gram.Mean.sub(inputMean).Squared(), Scalars.One))
            .mean()
            .mul(Scalars.Keep(Damping))
            .add(Scalars.Keep(Tiny), Scalars.One);
        var product = torch.zeros([outputs, inputs], torch.ScalarType.Float64);
        var rest = torch.zeros([inputs], torch.ScalarType.Float64);
        // Before weights are read: what stays between large tensors keeps their memory from being used again.
        var all = torch.empty([inputs, sites.Sum(site => site.Gram.Factor.shape[1] + 1)], torch.ScalarType.Float64);
        var column = 0L;
        foreach (var (network, share, gram, siteOutputs) in sites)
        {
            using var siteScope = torch.NewDisposeScope();
            // Read again: weights of all networks together may be too large.
            var (weight, _) = layer.Of(network.Source);
            // What the correlation factor takes off beside the diagonal stays on the diagonal.
            var diagonal = gram.Rest.add(gram.Factor.Squared().sum(1), Scalars.Keep(1 - correlation))
                .add(damping, Scalars.One)
                .mul(Scalars.Keep(share));
            var factor = gram.Factor.mul(Scalars.Keep(Math.Sqrt(correlation * share)));
            var root = Scalars.Keep(Math.Sqrt(share));
            var inputOffset = gram.Mean.sub(inputMean).mul(root).unsqueeze(1);
            var outputOffset = siteOutputs.sub(outputMean).mul(root).unsqueeze(1);
            product.add_(weight.mul(diagonal), Scalars.One)
                .add_(weight.mm(factor).mm(factor.t()), Scalars.One)
                .add_(outputOffset.mm(inputOffset.t()), Scalars.One);
            rest.add_(diagonal, Scalars.One);
            Append(factor);
            Append(inputOffset);
        }
        if (all.shape[1] >= inputs)
        {
            // W G = product, for G as it is: Woodbury's identity would have a larger system.
            var whole = all.mm(all.t()).add(rest.diag(), Scalars.One).MoveToOuterDisposeScope();
            return layer.Target(
                torch.linalg.solve(whole, product.t()).t(), inputMean.MoveToOuterDisposeScope(),
                outputMean.MoveToOuterDisposeScope(), weight => CompensatedRounding.Round(weight, whole), means.Of);
        }
        // W (diag(rest) + F F^T) = product, by Woodbury's identity: no tensor here has inputs x inputs elements.
        var scaled = all.div(rest.unsqueeze(1));
        var first = product.div(rest);
        var core = torch.eye(all.shape[1], dtype: torch.ScalarType.Float64).add(all.t().mm(scaled), Scalars.One);
        var solved = first.sub(torch.linalg.solve(core, first.mm(all).t()).t().mm(scaled.t()));
        var total = new InputGram(
            inputMean.MoveToOuterDisposeScope(), rest.MoveToOuterDisposeScope(), all.MoveToOuterDisposeScope());
        return layer.Target(
            solved, inputMean, outputMean.MoveToOuterDisposeScope(),
            weight => CompensatedRounding.Round(weight, total), means.Of);

        void Append(torch.Tensor columns)
        {
            all.narrow(1, column, columns.shape[1]).copy_(columns);
            column += columns.shape[1];
        }

        torch.Tensor Mean(Func<SiteLayer, torch.Tensor> of) => sites
            .Select(site => of(site).mul(Scalars.Keep(site.Share)))
            .Aggregate((sum, next) => sum.add(next, Scalars.One));
    }

    /// <summary>
    /// How much sites count: each one's share, divided by the size of the covariance of its inputs, so that one with
    /// large inputs does not decide alone (FeatCal, arXiv 2605.13030; ACE-Merging, arXiv 2603.02945). Neither does one
    /// whose inputs hardly vary, or not at all.
    /// </summary>
    /// <param name="sites">
    /// The share of each site, the sum of the squares of all elements of its covariance, and the mean of its inputs.
    /// </param>
    internal static double[] Shares(
        IReadOnlyList<(double Share, torch.Tensor Squares, torch.Tensor Mean)> sites)
    {
        var sizes = sites
            .Select(site => Math.Max(
                site.Squares.sqrt().item<double>(),
                MinSizeOfMean * site.Mean.Squared().sum().item<double>()))
            .ToArray();
        var least = MinSize * sizes.Max() + Tiny;
        var shares = sites.Select((site, d) => site.Share / Math.Max(sizes[d], least)).ToArray();
        var all = shares.Sum();
        return Array.ConvertAll(shares, share => share / all);
    }

    /// <summary>What is known of a layer in one network, besides its weight.</summary>
    /// <param name="Network">The network.</param>
    /// <param name="Share">How much it counts.</param>
    /// <param name="Gram">The layer's inputs.</param>
    /// <param name="Outputs">The mean of its outputs, [outputs].</param>
    private sealed record SiteLayer(MergeInput Network, double Share, InputGram Gram, torch.Tensor Outputs);

    private static SiteLayer[] Sites(MergedLayer layer, IReadOnlyList<MergeInput> networks, TaskVectors? origins)
    {
        SiteLayer[] sites =
        [
            .. networks.Select(network => new SiteLayer(
                network, network.Share,
                origins is null ? Sent(layer, network) : OfDifferences(layer, network, origins),
                torch.empty([layer.Outputs], torch.ScalarType.Float64))),
        ];
        foreach (var site in sites)
        {
            using var scope = torch.NewDisposeScope();
            var (weight, bias) = layer.Of(site.Network.Source);
            site.Outputs.copy_(weight.mv(site.Gram.Mean).add(bias, Scalars.One));
        }
        return sites;
    }

    private static InputGram Sent(MergedLayer layer, MergeInput network)
    {
        var name = layer.Weight.Name;
        return InputGrams.Read(network.Metadata, name, layer.Inputs)
            ?? throw new ArgumentException(
                $"RegMean needs the Gram matrix of the inputs of '{name}', of {layer.Inputs} rows, "
                + $"and {network.Name} has none.");
    }

    /// <summary>
    /// What the inputs seem to have been like. Each step of training adds a multiple of the inputs to each row of a
    /// weight, so that the rows of what it has learned, [outputs, inputs], vary as the inputs do ("Data-Free Covariance
    /// Estimation", arXiv 2604.01329; ACE-Merging, arXiv 2603.02945). Of their mean they say nothing.
    /// </summary>
    private static InputGram OfDifferences(MergedLayer layer, MergeInput network, TaskVectors origins)
    {
        using var scope = torch.NewDisposeScope();
        var rows = layer.Matrix(network.Source.ExactTensor(layer.Weight.Name))
            .sub(layer.Matrix(origins.Origin(layer.Weight)))
            .div(Scalars.Keep(Math.Sqrt(layer.Outputs)));
        var (_, singular, directions) = torch.linalg.svd(rows, fullMatrices: false);
        var kept = Math.Min(InputGrams.Rank, singular.shape[0]);
        var gram = InputGram.Of(
            torch.zeros([rows.shape[1]], rows.dtype), rows.Squared().sum(dim: 0),
            directions.narrow(0, 0, kept).t().mul(singular.narrow(0, 0, kept)));
        return new(
            gram.Mean.MoveToOuterDisposeScope(), gram.Rest.MoveToOuterDisposeScope(),
            gram.Factor.MoveToOuterDisposeScope());
    }
}
