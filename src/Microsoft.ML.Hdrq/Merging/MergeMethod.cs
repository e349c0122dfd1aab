using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What the merged network is, before it is rounded. The networks' weights lambda are <see cref="MergeOptions.Weights"/>. Scales of activations and statistics of normalizations are
/// merged as by <see cref="Mean"/> in any case; by other methods quantized weights are merged as what they stand for, and become integers again with the scale of least squared weight error: each the nearest, or by
/// <see cref="RegMean"/> so that the layer's outputs change least.
/// </summary>
public abstract class MergeMethod
{
    private protected MergeMethod()
    {
    }

    /// <summary>The default: <see cref="RegMean"/> where all networks carry Gram matrices of their layers' inputs, as they do unless <c>KeepInputGrams</c> is false, and else <see cref="Mean"/>. A <see cref="MergeOptions.Rounding"/> other than the default one asks for the mean too, as it is one of means.</summary>
    public static MergeMethod Automatic { get; } = new AutomaticMergeMethod();

    /// <summary><c>W = sum lambda_d W_d</c>, the paper's; its integers are chosen as <see cref="MergeOptions.Rounding"/> says.</summary>
    public static MergeMethod Mean { get; } = new MeanMergeMethod();

    /// <summary>
    /// Task arithmetic: <c>W = W0 + scale sum lambda_d (W_d - W0)</c> (Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv 2212.04089). At a scale of 1 it is the mean; for N
    /// networks of equal weights the paper's coefficient is scale / N.
    /// </summary>
    /// <param name="source">The network that all descend from, as it was before they were adapted; the caller keeps it.</param>
    /// <param name="scale">How far the merged network goes from the source, positive; 1.15 by default.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="scale"/> is not positive and finite.</exception>
    public static MergeMethod TaskArithmetic(Network source, double scale = 1.15) => new TaskArithmeticMergeMethod(Checked(source), Checked(scale));

    /// <summary>
    /// TIES: of each network's difference from the source only the largest numbers count; each parameter's sign is that of their sum; and the mean is over the networks that agree with it
    /// (Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, arXiv 2306.01708).
    /// </summary>
    /// <param name="source">The network that all descend from, as it was before they were adapted; the caller keeps it.</param>
    /// <param name="density">The share of each network's differences that count, above 0, at most 1; 0.2 by default, as in the paper.</param>
    /// <param name="scale">What the merged difference is multiplied by, positive; 1 by default, as in the paper.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static MergeMethod Ties(Network source, double density = 0.2, double scale = 1)
    {
        if (!(density > 0 && density <= 1))
            throw new ArgumentOutOfRangeException(nameof(density), density, "The density must be above 0 and at most 1.");
        return new TiesMergeMethod(Checked(source), density, Checked(scale));
    }

    /// <summary>
    /// RegMean: each convolution and linear layer is the one whose outputs differ least from those of all networks on their own inputs,
    /// <c>W = (sum lambda_d W_d G_d) (sum lambda_d G_d)^-1</c>, where G_d are the Gram matrices of the layer's inputs (Jin et al., "Dataless Knowledge Fusion by Merging Weights of Language Models", ICLR
    /// 2023, arXiv 2212.09849). Quantized weights are rounded one after the other, where each makes up for what rounding those before it has done to the outputs (GPTQ: Frantar et al., ICLR 2023, arXiv
    /// 2210.17323). The networks carry the matrices in their metadata, see <see cref="InputGrams"/>; layers that have none there (grouped and transposed convolutions) and all other parameters are merged by their mean.
    /// </summary>
    /// <param name="correlation">What numbers beside the diagonals of Gram matrices are multiplied by, from 0 to 1; 0.97 by default (the paper has 0.9, with whole matrices).</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="correlation"/> is out of range.</exception>
    public static MergeMethod RegMean(double correlation = 0.97)
    {
        if (!(correlation >= 0 && correlation <= 1))
            throw new ArgumentOutOfRangeException(nameof(correlation), correlation, "The share of correlations must be from 0 to 1.");
        return new RegMeanMergeMethod(correlation);
    }

    /// <summary>The method itself or, where it leaves that to the networks, another one.</summary>
    internal virtual MergeMethod For(IReadOnlyList<MergeSource> sources, MergeOptions options) => this;

    /// <summary>What networks' metadata calls it.</summary>
    internal abstract string Name { get; }

    /// <summary>Prepares to merge networks.</summary>
    /// <param name="graph">The merged network's graph.</param>
    /// <param name="sources">The networks, in an order that does not depend on the one in which they were given.</param>
    /// <returns>For a weight or bias, its merged numbers in the order of <see cref="MergeSource.Exact"/>; null, or null for a parameter, where it is merged by its mean.</returns>
    /// <exception cref="ArgumentException">The networks are not suitable; the message says which and why.</exception>
    internal abstract Func<ParameterDefinition, MergeTarget?>? Prepare(Graph graph, IReadOnlyList<MergeSource> sources);

    private static Network Checked(Network source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source;
    }

    private static double Checked(double scale) => scale > 0 && double.IsFinite(scale) ? scale : throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be positive and finite.");
}
