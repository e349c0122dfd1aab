using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>How networks are merged.</summary>
public sealed record MergeOptions
{
    /// <summary>The networks' weights, lambda, one for each network, none negative, of sum 1 (to within 1e-6). Default: null, all equal.</summary>
    public IReadOnlyList<double>? NetworkWeights { get; init => field = value?.ToImmutableArray(); }

    /// <summary>What the merged network is. Default: <see cref="MergeMethod.Automatic"/>. The paper's is <c>MergeMethod.Mean(MergeRounding.BestOf(100, seed))</c>.</summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public MergeMethod Method
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    }
    = MergeMethod.Automatic;

    /// <summary>The networks' weights, of sum 1.</summary>
    /// <param name="count">The number of networks.</param>
    /// <exception cref="ArgumentException">They are too many or too few, negative, or do not sum to 1.</exception>
    internal double[] Shares(int count)
    {
        if (NetworkWeights is not { } weights)
            return [.. Enumerable.Repeat(1.0 / count, count)];
        if (weights.Count != count)
            throw new ArgumentException($"There are {weights.Count} weights for {count} networks.");
        if (weights.Any(weight => !(weight >= 0)))
            throw new ArgumentException($"The networks' weights are {string.Join(", ", weights)}; none may be negative.");
        if (!(Math.Abs(weights.Sum() - 1) <= 1e-6))
            throw new ArgumentException($"The networks' weights sum to {weights.Sum()} instead of 1.");
        // Exactly 1, so that integers on which all networks agree are their own mean.
        return [.. weights.Select(weight => weight / weights.Sum())];
    }
}
