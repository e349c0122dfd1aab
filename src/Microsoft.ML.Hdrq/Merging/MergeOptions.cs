namespace Microsoft.ML.Hdrq.Merging;

/// <summary>How networks are merged.</summary>
public sealed class MergeOptions
{
    /// <summary>The networks' weights, lambda, one for each network, none negative, of sum 1 (to within 1e-6). Default: null, all equal.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>What the merged network is, before it is rounded. Default: <see cref="MergeMethod.Automatic"/>. The paper's is <see cref="MergeMethod.Mean"/>.</summary>
    public MergeMethod Method { get; init; } = MergeMethod.Automatic;

    /// <summary>
    /// Whether merged weights are given the scale of least squared weight error, searched for each tensor or channel, instead of the mean of the networks' scales. Default: false, as in the paper.
    /// What methods other than <see cref="MergeMethod.Mean"/> merge is searched in any case.
    /// </summary>
    public bool SearchScales { get; init; }

    /// <summary>How means of quantized weights become integers again; other methods than <see cref="MergeMethod.Mean"/> round in their own way. Default: <see cref="MergeRounding.Balanced"/>. The paper's choice is <c>MergeRounding.BestOf(100, seed)</c>.</summary>
    public MergeRounding Rounding { get; init; } = MergeRounding.Balanced;

    /// <summary>The same with other weights.</summary>
    internal MergeOptions WithWeights(IReadOnlyList<double> weights) => new() { Weights = weights, Method = Method, SearchScales = SearchScales, Rounding = Rounding };
}
