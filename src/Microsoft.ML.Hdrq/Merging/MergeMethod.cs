using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What the weights and biases of a merged network are. The methods of this library are had from the static members; a method of your own derives from this class.
/// </summary>
/// <remarks>
/// Only weights and biases are a method's. Scales of activations and statistics of normalizations are merged as by <see cref="Mean"/> in any case, and constants must be equal.
/// <para>
/// Methods see quantized weights as what they stand for, <c>q s</c>, and say what is to come out as if nothing were quantized. Where the weight is quantized, the merged one becomes integers again: with the scale of
/// least squared error, each number the nearest integer, or by <see cref="RegMean"/> so that the layer's outputs change least. Only <see cref="Mean"/> works on the integers and scales themselves.
/// </para>
/// <para>A method is asked on one thread, but may be used by several merges at once: it keeps what belongs to one merge in <see cref="Prepare"/>.</para>
/// </remarks>
/// <example>
/// The median of all networks, whatever their shares:
/// <code>
/// sealed class Median : MergeMethod
/// {
///     public override string Name => "median";
///
///     public override MergeRule Prepare(Graph graph, IReadOnlyList&lt;MergeInput&gt; networks) => parameter =>
///     {
///         var values = networks.Select(network => network.Values(parameter)).ToArray();
///         return [.. Enumerable.Range(0, values[0].Length).Select(i => values.Select(numbers => numbers[i]).Order().ElementAt(values.Length / 2))];
///     };
/// }
/// </code>
/// </example>
public abstract class MergeMethod
{
    /// <summary>For a method of your own.</summary>
    protected MergeMethod()
    {
    }

    /// <summary>
    /// The default: <see cref="RegMean"/> where all networks carry Gram matrices of their layers' inputs, as they do unless <c>KeepInputGrams</c> is false, and else <see cref="Mean"/>; each with its own defaults.
    /// </summary>
    public static MergeMethod Automatic { get; } = new AutomaticMergeMethod();

    /// <summary>
    /// The mean, the paper's: <c>W = sum lambda_d W_d</c>. Of quantized weights, the merged scale is the mean of the networks' scales, and the mean of the integers, in steps of it, is rounded. The paper's own way is
    /// <c>Mean(MergeRounding.BestOf(100, seed))</c>.
    /// </summary>
    /// <param name="rounding">How means of quantized weights become integers again; null, the default, for <see cref="MergeRounding.Balanced"/>.</param>
    /// <param name="searchScales">
    /// Whether merged weights are given the scale of least squared error, searched for each tensor or channel, instead of the mean of the networks' scales; false by default, as in the paper.
    /// </param>
    /// <returns>The method.</returns>
    public static MergeMethod Mean(MergeRounding? rounding = null, bool searchScales = false) => new MeanMergeMethod(rounding ?? MergeRounding.Balanced, searchScales);

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
    /// 2210.17323). The networks carry the matrices in their metadata, see <see cref="InputGrams"/>; layers that have none there (grouped and transposed convolutions) and all other parameters are merged as by <see cref="Mean"/>.
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

    /// <summary>What the merged network's metadata calls the method, under <see cref="NetworkMetadata.MergeMethod"/>, and messages too; neither null nor empty.</summary>
    public abstract string Name { get; }

    /// <summary>Prepares one merge: once, before any parameter is merged.</summary>
    /// <param name="graph">The graph of the merged network and, but for zero points of quantizers, of all networks.</param>
    /// <param name="networks">The networks, at least two, in an order that does not depend on the one in which they were given. They are there until the merge ends.</param>
    /// <returns>
    /// The rule. It is asked at most once for each of <see cref="MergeInput.Parameters"/>, in no particular order, without gradients and in a dispose scope of its own; what it throws ends the merge.
    /// </returns>
    /// <exception cref="ArgumentException">The networks are not suitable; the message says which and why.</exception>
    public abstract MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks);

    /// <summary>The method itself or, where it leaves that to the networks, another one.</summary>
    internal virtual MergeMethod For(IReadOnlyList<MergeInput> networks) => this;

    /// <summary>As <see cref="Prepare"/>, for methods that choose integers too.</summary>
    internal virtual Func<ParameterDefinition, MergeTarget?> Targets(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var rule = Prepare(graph, networks) ?? throw new ArgumentException($"Merge method '{Name}' has no rule.");
        return definition => rule(definition) is { } values ? new MergeTarget([.. values]) : null;
    }

    private static Network Checked(Network source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source;
    }

    private static double Checked(double scale) => scale > 0 && double.IsFinite(scale) ? scale : throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be positive and finite.");
}
