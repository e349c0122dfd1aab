using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Options of merging networks.</summary>
public sealed record MergeOptions
{
    /// <summary>
    /// The weights lambda of the networks: one for each network, not negative, with sum 1 (to within 1e-6). Null, the
    /// default, for equal weights.
    /// </summary>
    public IReadOnlyList<double>? NetworkWeights { get; init => field = value?.ToImmutableArray(); }

    /// <summary>
    /// The method that computes the merged network; <see cref="MergeMethod.Automatic"/> by default. The paper's method
    /// is <c>MergeMethod.Mean(MergeRounding.BestOf(100, seed))</c>.
    /// </summary>
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

    /// <summary>
    /// What is done with unlabelled images of the networks' places, where a merge is given any;
    /// <see cref="MergeRefinement.SecondRound"/> by default.
    /// </summary>
    public MergeRefinement Refinement { get; init; } = MergeRefinement.SecondRound;

    /// <summary>The options of <see cref="MergeRefinement.Distillation"/>.</summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public DistillationOptions Distillation
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    }
    = new();

    /// <summary>
    /// Whether networks are merged that record different sources (<see cref="NetworkMetadata.Source"/>); false by
    /// default, because networks that do not descend from the same network give a bad one when they are merged.
    /// Networks that record no source are merged in any case.
    /// </summary>
    public bool AllowDifferentSources { get; init; }

    /// <summary>
    /// Whether networks are merged on images that look like those of other networks; false by default, because images
    /// that were given in another order than the networks give a bad merge. It is told by the moments that networks
    /// carry, and so only where all of them do, without noise.
    /// </summary>
    public bool AllowOtherImages { get; init; }

    /// <summary>
    /// Whether the merged network keeps the moments that its networks carry, so that it can be distilled at one place
    /// after another, <see cref="NetworkMerger.DistillAtPlace"/>; false by default, because such a network is larger.
    /// All networks must carry some.
    /// </summary>
    public bool KeepMoments { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Defined(nameof(Refinement), Refinement, "a refinement");
        Distillation.Check();
    }

    /// <summary>Gets the weights of the networks, which sum to 1.</summary>
    /// <param name="count">The number of networks.</param>
    /// <exception cref="ArgumentException">
    /// There are too many or too few weights, one is negative, or they do not sum to 1.
    /// </exception>
    internal double[] Shares(int count)
    {
        if (NetworkWeights is not { } weights)
            return [.. Enumerable.Repeat(1.0 / count, count)];
        if (weights.Count != count)
            throw new ArgumentException($"There are {weights.Count} weights for {count} networks.");
        if (weights.Any(weight => !(weight >= 0)))
        {
            throw new ArgumentException(
                $"The networks' weights are {string.Join(", ", weights)}; none may be negative.");
        }
        if (!(Math.Abs(weights.Sum() - 1) <= 1e-6))
            throw new ArgumentException($"The networks' weights sum to {weights.Sum()} instead of 1.");
        // The sum becomes exactly 1, so that integers on which all networks agree are their own mean.
        return [.. weights.Select(weight => weight / weights.Sum())];
    }
}
