namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// How the weighted mean of quantized weights becomes integers again. In units of the merged scale, the mean of a weight lies between two integers, and every
/// strategy chooses one of the two.
/// <para>
/// A weight is <em>ambiguous</em> when the mean of the networks' integers is no integer itself; for two networks at equal weights, when the sum of their integers is
/// odd. Two networks then stand exactly half-way but for the small difference of their scales, and rounded to nearest <em>all</em> ambiguous weights of a layer follow the
/// network with the larger scale; of three networks that disagree, one is always outvoted. The merged network serves one domain well and another badly. The other
/// strategies share ambiguous weights out; all others go to the nearest integer. (The paper's code takes odd sums at all weights, and only of two networks.)
/// </para>
/// </summary>
public abstract class MergeRounding
{
    private protected MergeRounding()
    {
    }

    /// <summary>Every weight goes to the nearest integer, half-way to the even one: the least squared error of single weights, and no care for ambiguous ones.</summary>
    public static MergeRounding Nearest { get; } = new NearestMergeRounding();

    /// <summary>
    /// The default: the ambiguous weights of every output channel are shared out so that the rounding errors of the channel, and of each of its kernels, sum to about zero and lean
    /// towards none of the networks. Deterministic; costs about as much as sorting the weights.
    /// </summary>
    public static MergeRounding Balanced { get; } = new BalancedMergeRounding();

    /// <summary>Noise on ambiguous weights before rounding: uniform, of one step, for every network on its own.</summary>
    /// <param name="seed">The seed of the noise.</param>
    /// <returns>The strategy.</returns>
    public static MergeRounding Sample(int seed = 0) => new SampledMergeRounding(1, seed);

    /// <summary>
    /// The paper's choice: draws as <see cref="Sample"/> does, and of several draws for a layer keeps the one that lies most between the networks: for each network
    /// the absolute cosine is taken between (rounded - network) and (mean - network), and the draw with the largest least cosine wins. (The paper's code keeps its first
    /// draw unless another has larger cosines for both networks, so that its choice depends on the order of the draws.)
    /// </summary>
    /// <param name="count">How many draws, at least 1; the paper takes 100.</param>
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
    /// <param name="layer">The number of the weight among the quantized weights, for a seed of its own.</param>
    /// <returns>The integers, in the order of the weight's elements.</returns>
    internal abstract int[] Round(MergedWeight weight, int layer);
}
