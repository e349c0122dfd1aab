namespace Microsoft.ML.Hdrq.Merging;

/// <summary>How networks are merged.</summary>
public sealed class MergeOptions
{
    /// <summary>The networks' weights, lambda, one for each network, none negative, of sum 1 (to within 1e-6). Default: null, all equal.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>How means of quantized weights become integers again. Default: <see cref="MergeRounding.Balanced"/>. The paper's choice is <c>MergeRounding.BestOf(100, seed)</c>.</summary>
    public MergeRounding Rounding { get; init; } = MergeRounding.Balanced;
}
