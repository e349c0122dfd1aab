namespace Hdrq.Samples.Drawing;

/// <summary>Draws from distributions, and generators that depend on names only.</summary>
internal static class RandomExtensions
{
    /// <summary>A generator whose numbers depend on the seed and the key alone: equal keys give equal numbers on every run.</summary>
    /// <param name="seed">The data set's seed.</param>
    /// <param name="key">What the numbers are for.</param>
    public static Random ForKey(int seed, string key)
    {
        // FNV-1a, as string.GetHashCode differs from run to run, and a final mix, as FNV leaves close keys close.
        var hash = 14695981039346656037UL ^ (uint)seed;
        foreach (var character in key)
            hash = (hash ^ character) * 1099511628211UL;
        hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdUL;
        hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53UL;
        return new Random((int)(hash >> 33));
    }

    /// <summary>A number uniform in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public static float Uniform(this Random random, double low, double high) => (float)(low + (high - low) * random.NextDouble());

    /// <summary>A number of the normal distribution with mean 0 and the given deviation.</summary>
    public static float Gaussian(this Random random, double deviation) =>
        (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    /// <summary>True with the given probability.</summary>
    public static bool Chance(this Random random, double probability) => random.NextDouble() < probability;
}
