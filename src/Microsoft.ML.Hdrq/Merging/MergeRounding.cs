namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// How the weighted mean of quantized weights becomes integers again. In units of the merged scale, the mean of a weight lies between two integers, and every
/// strategy chooses one of the two.
/// <para>
/// A weight is <em>ambiguous</em> when the mean of the networks' integers and the mean of their weights have no nearest integer in common: with equal scales, when
/// the mean of the integers is exactly half-way (for two networks at equal weights, when the sum of the two integers is odd); with different scales, also when
/// only the scales' difference decides. Rounded to nearest, all ambiguous weights of a layer then follow the network with the larger scale.
/// </para>
/// </summary>
public abstract class MergeRounding
{
    private protected MergeRounding()
    {
    }

    /// <summary>Every weight goes to the nearest integer, half-way to the even one: the least squared error of single weights, and no care for ambiguous ones.</summary>
    public static MergeRounding None { get; } = new NearestMergeRounding();

    /// <summary>
    /// The default: to nearest, but in every output channel some of the weights that lie closest to half-way are turned over, until the channel's rounding errors
    /// sum to about zero and the ambiguous weights are shared among the networks. Deterministic.
    /// </summary>
    public static MergeRounding Balanced { get; } = new BalancedMergeRounding();

    /// <summary>Noise on ambiguous weights before rounding: uniform, of one step, for every network on its own.</summary>
    /// <param name="seed">The seed of the noise.</param>
    /// <returns>The strategy.</returns>
    public static MergeRounding Sample(int seed = 0) => new SampledMergeRounding(1, seed);

    /// <summary>
    /// The paper's choice: draws as <see cref="Sample"/> does, and of several draws for a layer keeps the one that lies most between the networks: for each network
    /// the absolute cosine is taken between (rounded - network) and (mean - network), and the draw with the largest least cosine wins.
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
