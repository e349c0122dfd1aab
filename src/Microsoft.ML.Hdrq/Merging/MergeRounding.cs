namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Rounds the weighted means of quantized weights to integers. In steps of the merged scale, the mean of a weight lies
/// between two integers, and every strategy chooses one of the two.
/// <para>
/// A weight is <em>ambiguous</em> when the mean of the networks' integers is not an integer; for two networks with
/// equal weights, when the sum of their integers is odd. The mean of two such networks is exactly half-way between two
/// integers, apart from the small difference of their scales, and rounding to nearest makes <em>all</em> ambiguous
/// weights of a layer follow the network with the larger scale. Of three networks that disagree, one is always
/// outvoted. The merged network then serves one domain well and another badly. The other strategies share ambiguous
/// weights out among the networks; all other weights are rounded to nearest. (The paper's code takes odd sums for all
/// weights, and supports two networks only.)
/// </para>
/// </summary>
public abstract class MergeRounding
{
    private protected MergeRounding()
    {
    }

    /// <summary>
    /// Rounds every weight to nearest, half to even: the minimum squared error of single weights, without regard to
    /// ambiguous ones.
    /// </summary>
    public static MergeRounding Nearest { get; } = new NearestMergeRounding();

    /// <summary>
    /// The default. It shares out the ambiguous weights of every output channel so that the rounding errors of the
    /// channel, and of each of its kernels, sum to about zero and lean towards none of the networks. Deterministic;
    /// costs about as much as sorting the weights.
    /// </summary>
    public static MergeRounding Balanced { get; } = new BalancedMergeRounding();

    /// <summary>
    /// Adds noise to ambiguous weights before rounding: uniform, one step wide, independent for every network.
    /// </summary>
    /// <param name="seed">The seed of the noise.</param>
    /// <returns>The strategy.</returns>
    public static MergeRounding Sample(int seed = 0) => new SampledMergeRounding(1, seed);

    /// <summary>
    /// The paper's choice. It draws as <see cref="Sample"/> does and keeps, of several draws for a layer, the one that
    /// lies best between the networks: for each network it takes the absolute cosine between (rounded - network) and
    /// (mean - network), and the draw with the largest minimum of these cosines wins. (The paper's code keeps its first
    /// draw unless another has larger cosines for both networks, so that its choice depends on the order of the draws.)
    /// </summary>
    /// <param name="count">The number of draws, at least 1; the paper takes 100.</param>
    /// <param name="seed">The seed of the noise.</param>
    /// <returns>The strategy.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is below 1.</exception>
    public static MergeRounding BestOf(int count, int seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new SampledMergeRounding(count, seed);
    }

    /// <summary>Chooses the integers of a weight.</summary>
    /// <param name="weight">The networks' integers and their mean.</param>
    /// <param name="layer">The index of the weight among the quantized weights, which gives it its own seed.</param>
    /// <returns>The integers, in the order of the weight's elements.</returns>
    internal abstract int[] Round(MergedWeight weight, int layer);
}
