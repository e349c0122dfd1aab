using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Tells from the moments that networks carry whether images that are given with them were mixed up: one place's images
/// with another place's network give a merged network that is good nowhere.
/// </summary>
internal static class PlaceCheck
{
    /// <summary>
    /// By how much likelier images have to be at another place, in half nats for each input of the layer. 256 are
    /// likelier at their own by 0.76 or more (fog, noise and night of CIFAR-10), 0.81 (art and cartoons of PACS) and 0.83
    /// (day and dusk of CamVid), and in 40 draws of 8 or 20 images none was likelier elsewhere; of 3 and fewer some were.
    /// Noisy images are among clean ones by 0.03: what differs so little is not told apart.
    /// </summary>
    private const double Margin = 0.2;

    private const string Anyway =
        $"set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowOtherImages)} to merge with them anyway";

    /// <summary>Added to all variances, relative to their mean.</summary>
    private const double LeastVariance = 1e-6;

    private const double Tiny = 1e-30;

    /// <summary>Checks images by what the first layer reads of them.</summary>
    /// <param name="layer">The first layer of the merged network.</param>
    /// <param name="sources">The networks.</param>
    /// <param name="moments">What the layer reads at each place, in the order of the networks.</param>
    /// <exception cref="ArgumentException">
    /// All images would be likelier in another order, or those of one place at another one.
    /// </exception>
    public static void Check(Layer layer, IReadOnlyList<MergeSource> sources, IReadOnlyList<LayerMoments> moments)
    {
        using var scope = torch.NewDisposeScope();
        var size = moments[0].InputMean.shape[0];
        var sent = new List<InputGram>();
        foreach (var source in sources)
        {
            // With noise on them they say little of a single layer.
            if (SentMomentsReport.Of(source.Metadata)?.Noise is not null
                || InputGrams.Read(source.Metadata, layer.Weight, size) is not { } gram)
                return;
            sent.Add(gram);
        }
        var costs = moments.Select(place => sent.Select(gram => Cost(place, gram)).ToArray()).ToArray();
        // One place's images may be given for several networks; where all belong to others together, more than one is wrong.
        var moved = costs.Select(Likelier).Index().Where(pair => pair.Item != pair.Index).ToList();
        if (moved.Count == 0)
            moved = [.. Likeliest(costs).Index().Where(pair => pair.Item != pair.Index)];
        if (moved.Count == 0)
            return;
        var wrong = moved
            .Select(pair => (Own: sources[pair.Index].Index, Other: sources[pair.Item].Index))
            .OrderBy(pair => pair.Own);
        var mixture = string.Join(", ", wrong.Select(
            pair => $"those given for network {pair.Own} look like what network {pair.Other} was made on"));
        throw new ArgumentException(
            $"The images were mixed up: {mixture}. Each network takes images of its own place; {Anyway}.");
    }

    /// <summary>Checks one place's images by what the first layer of a draft reads of them.</summary>
    /// <param name="draft">The draft, which keeps the moments that networks carried.</param>
    /// <param name="own">The place's own network, on the draft's device.</param>
    /// <param name="place">Its place among those that were merged.</param>
    /// <param name="places">Their number.</param>
    /// <param name="images">The images.</param>
    /// <param name="cancellationToken">Cancels between two batches.</param>
    /// <exception cref="ArgumentException">They would be likelier at another place.</exception>
    public static void CheckOwn(
        Network draft, Network own, int place, int places, torch.Tensor images, CancellationToken cancellationToken)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        if (SentMomentsReport.OfKept(draft.Metadata).Any(sent => sent?.Noise is not null))
            return;
        using var merged = LayerMoments.Run(draft, images);
        using var run = LayerMoments.Run(own, images);
        var layer = SecondRound.Steps(draft.Graph)[0][0];
        var measured = LayerMoments.Measure(merged, run, [layer], cancellationToken)[layer.Weight];
        var size = measured.InputMean.shape[0];
        var costs = Enumerable.Range(0, places)
            .Select(other => InputGrams.ReadKept(draft.Metadata, other, layer.Weight, size))
            .Select(gram => gram is null ? double.PositiveInfinity : Cost(measured, gram))
            .ToArray();
        if (Likelier(costs, place) != place)
        {
            throw new ArgumentException(
                "The images look like those that another of the merged networks was made on, and not like those of "
                + "this one: a place trains with its own network on its own images.");
        }
    }

    /// <summary>
    /// The place under whose moments images are much likelier than under those of their own; or their own.
    /// </summary>
    /// <param name="costs">What <see cref="Cost"/> gives for the images under the moments of each place.</param>
    /// <param name="own">The images' own place.</param>
    private static int Likelier(double[] costs, int own)
    {
        var likeliest = costs.IndexOf(costs.Min());
        return costs[own] - costs[likeliest] > Margin ? likeliest : own;
    }

    /// <summary>
    /// Which network each place's images belong to if all are to be as likely as possible: the given order, and two of
    /// it changed with each other as long as that helps by more than chance.
    /// </summary>
    private static int[] Likeliest(double[][] costs)
    {
        int[] order = [.. Enumerable.Range(0, costs.Length)];
        while (true)
        {
            var (gain, a, b) = Enumerable.Range(0, order.Length)
                .SelectMany(i => Enumerable.Range(0, i).Select(j => (
                    costs[i][order[i]] + costs[j][order[j]] - costs[i][order[j]] - costs[j][order[i]], i, j)))
                .Max();
            if (!(gain > Margin))
                return order;
            (order[a], order[b]) = (order[b], order[a]);
        }
    }

    /// <summary>
    /// Twice the mean negative logarithm of the likelihood of inputs, one for one, under normal distributions with other
    /// means and variances, per input and but for a constant. By Gibbs' inequality none are likelier than the inputs'
    /// own. What networks carry of covariances says less: of 256 other images of the same place the few directions are
    /// others, and of darker images what is beside them is smaller, as it is in truth of all images.
    /// </summary>
    private static double Cost(LayerMoments place, InputGram sent)
    {
        using var scope = torch.NewDisposeScope();
        var variances = sent.Rest.add(sent.Factor.Squared().sum(1), Scalars.One);
        // Inputs that never vary would have no logarithm.
        var least = variances.mean().mul(Scalars.Keep(LeastVariance)).add(Scalars.Keep(Tiny), Scalars.One);
        variances = variances.add(least, Scalars.One);
        return place.InputMean.sub(sent.Mean).Squared()
            .add(place.Inputs.diagonal(), Scalars.One)
            .div(variances)
            .add(variances.log(), Scalars.One)
            .mean()
            .item<double>();
    }
}
