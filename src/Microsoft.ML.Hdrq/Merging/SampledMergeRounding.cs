namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Adds noise to ambiguous weights and keeps, of several draws, the one that lies best between the networks.
/// </summary>
internal sealed class SampledMergeRounding(int count, int seed) : MergeRounding
{
    internal override int[] Round(MergedWeight weight, int layer)
    {
        // The large odd factor keeps the layers of neighbouring seeds apart.
        var random = new Random(unchecked(seed * (int)0x9E3779B1 + layer));
        return Best(weight, Enumerable.Range(0, count).Select(_ => Draw(weight, _ => random.NextDouble())));
    }

    /// <summary>Gets the candidate with the largest minimum cosine; the first of equally good ones.</summary>
    internal static int[] Best(MergedWeight weight, IEnumerable<int[]> candidates) =>
        candidates.MaxBy(candidate => Cosines(weight, candidate).Min())!;

    /// <summary>
    /// Makes one draw: <c>round((sum lambda_d (q_d s_d - n_d)) / s_m)</c> with n_d uniform in [-s_d/2, s_d/2] on
    /// ambiguous weights.
    /// </summary>
    /// <param name="weight">The weight.</param>
    /// <param name="uniform">
    /// Returns a value in [0, 1) for a network and an element; called element by element, network by network.
    /// </param>
    internal static int[] Draw(MergedWeight weight, Func<(int Network, int Element), double> uniform)
    {
        var rounded = weight.Nearest();
        for (var i = 0; i < rounded.Length; i++)
        {
            if (!weight.IsAmbiguous[i])
                continue;
            var noise = 0.0;
            for (var d = 0; d < weight.Integers.Length; d++)
                noise += weight.Lambdas[d] * (uniform((d, i)) - 0.5) * weight.Scale(d, i);
            rounded[i] = weight.Round(weight.Means[i] - noise / weight.MergedScale(i));
        }
        return rounded;
    }

    /// <summary>
    /// Computes for each network the absolute cosine between (rounded - network) and (mean - network).
    /// </summary>
    internal static double[] Cosines(MergedWeight weight, int[] rounded)
    {
        var cosines = new double[weight.Integers.Length];
        for (var d = 0; d < cosines.Length; d++)
        {
            var (product, roundedSquares, meanSquares) = (0.0, 0.0, 0.0);
            for (var i = 0; i < rounded.Length; i++)
            {
                var (value, scale) = (weight.Value(d, i), weight.MergedScale(i));
                var (fromRounded, fromMean) = ((rounded[i] - value) * scale, (weight.Means[i] - value) * scale);
                product += fromRounded * fromMean;
                roundedSquares += fromRounded * fromRounded;
                meanSquares += fromMean * fromMean;
            }
            // A network that lies on the mean itself has no direction, and does not constrain the choice.
            cosines[d] = meanSquares > 0 && roundedSquares > 0
                ? Math.Abs(product) / Math.Sqrt(roundedSquares * meanSquares)
                : 1;
        }
        return cosines;
    }
}
