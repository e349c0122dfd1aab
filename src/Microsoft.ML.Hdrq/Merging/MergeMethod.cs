using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Computes the weights and biases of a merged network. The static members give the methods of this library; a method
/// of your own derives from this class.
/// </summary>
/// <remarks>
/// A method decides on weights and biases only. Scales of activations and statistics of normalizations are always
/// merged as by <see cref="Mean"/>, and constants must be equal.
/// <para>
/// Methods see the dequantized values <c>q s</c> of quantized weights, and return the merged values as if nothing were
/// quantized. Where the weight is quantized, the merged values become integers again, with the scale of minimum squared
/// error: each value becomes the nearest integer or, with <see cref="RegMean"/>, is rounded so that the layer's outputs
/// change as little as possible. Only <see cref="Mean"/> works on the integers and scales themselves.
/// </para>
/// <para>
/// One merge calls a method on one thread, but several merges may use the same method at the same time: keep state that
/// belongs to one merge in <see cref="Prepare"/>.
/// </para>
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
///         return
///         [
///             .. Enumerable.Range(0, values[0].Length)
///                 .Select(i => values.Select(network => network[i]).Order().ElementAt(values.Length / 2)),
///         ];
///     };
/// }
/// </code>
/// </example>
public abstract class MergeMethod
{
    /// <summary>Constructor for methods of your own.</summary>
    protected MergeMethod()
    {
    }

    /// <summary>
    /// The default: <see cref="RegMean"/> where all networks carry Gram matrices of their layers' inputs, as they do
    /// where their steps had enough images (<see cref="SentMoments"/>); otherwise <see cref="Mean"/>. Each has its own
    /// defaults.
    /// </summary>
    public static MergeMethod Automatic { get; } = new AutomaticMergeMethod();

    /// <summary>
    /// Does as <see cref="Automatic"/>, but that networks in full precision that carry no Gram matrices are not merged
    /// by their mean: the rows of what each has learned since the source, <c>W_d - W_0</c>, vary as its inputs do, and
    /// their second moments stand for G_d in <see cref="RegMean"/> ("Data-Free Covariance Estimation", arXiv
    /// 2604.01329; ACE-Merging, arXiv 2603.02945). Biases are then means.
    /// </summary>
    /// <param name="source">
    /// The network that all descend from, as it was before they were adapted; the caller keeps it.
    /// </param>
    /// <returns>The method.</returns>
    public static MergeMethod AutomaticFrom(Network source) => new AutomaticMergeMethod(Checked(source));

    /// <summary>
    /// The mean, as in the paper: <c>W = sum lambda_d W_d</c>. For quantized weights, the merged scale is the mean of
    /// the networks' scales; the mean of the integers, in steps of that scale, is rounded. The paper's own method is
    /// <c>Mean(MergeRounding.BestOf(100, seed))</c>.
    /// </summary>
    /// <param name="rounding">
    /// How means of quantized weights become integers again; null, the default, for
    /// <see cref="MergeRounding.Balanced"/>.
    /// </param>
    /// <param name="searchScales">
    /// Whether merged weights get the scale of minimum squared error, searched for each tensor or channel, instead of
    /// the mean of the networks' scales; false by default, as in the paper.
    /// </param>
    /// <returns>The method.</returns>
    public static MergeMethod Mean(MergeRounding? rounding = null, bool searchScales = false) =>
        new MeanMergeMethod(rounding ?? MergeRounding.Balanced, searchScales);

    /// <summary>
    /// Task arithmetic: <c>W = W0 + scale sum lambda_d (W_d - W0)</c> (Ilharco et al., "Editing Models with Task
    /// Arithmetic", ICLR 2023, arXiv 2212.04089). At scale 1 it is the mean; for N networks of equal weights the
    /// paper's coefficient is scale / N.
    /// </summary>
    /// <param name="source">
    /// The network that all descend from, as it was before they were adapted; the caller keeps it.
    /// </param>
    /// <param name="scale">How far the merged network goes from the source, positive; 1.15 by default.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="scale"/> is not positive and finite.</exception>
    public static MergeMethod TaskArithmetic(Network source, double scale = 1.15) =>
        new TaskArithmeticMergeMethod(Checked(source), Checked(scale));

    /// <summary>
    /// TIES: of each network's differences from the source, only those of largest magnitude count. The sign of each
    /// element is that of the sum of these differences, and the mean is over the networks whose difference has this
    /// sign (Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, arXiv 2306.01708).
    /// </summary>
    /// <param name="source">
    /// The network that all descend from, as it was before they were adapted; the caller keeps it.
    /// </param>
    /// <param name="density">
    /// The share of each network's differences that count, above 0, at most 1; 0.2 by default, as in the paper.
    /// </param>
    /// <param name="scale">The factor of the merged difference, positive; 1 by default, as in the paper.</param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="density"/> or <paramref name="scale"/> is out of range.
    /// </exception>
    public static MergeMethod Ties(Network source, double density = 0.2, double scale = 1)
    {
        if (!(density > 0 && density <= 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(density), density, "The density must be above 0 and at most 1.");
        }
        return new TiesMergeMethod(Checked(source), density, Checked(scale));
    }

    /// <summary>
    /// RegMean: each convolution and linear layer becomes the one whose outputs differ least from those of all networks
    /// on their own inputs, <c>W = (sum lambda_d W_d G_d) (sum lambda_d G_d)^-1</c>, where G_d are the Gram matrices of
    /// the layer's inputs, each divided by its size (Jin et al., "Dataless Knowledge Fusion by Merging Weights of
    /// Language Models", ICLR 2023, arXiv 2212.09849). Quantized weights are rounded one after another, each
    /// compensating for the effect of the earlier ones on the outputs (GPTQ: Frantar et al., ICLR 2023, arXiv
    /// 2210.17323). A layer's bias follows from the weights as they are then, so that its outputs keep the mean that
    /// they have in all networks, <c>b = sum lambda_d (b_d + (W_d - W) m_d)</c>, where m_d are the means of the inputs.
    /// A batch normalization after a convolution counts as part of it, and is kept. The networks carry matrices and
    /// means in <see cref="Network.Metadata"/>, unless they were made without them. Layers without a matrix (grouped
    /// and transposed convolutions) and all other parameters are merged as by <see cref="Mean"/>.
    /// </summary>
    /// <param name="correlation">
    /// The factor of the off-diagonal elements of Gram matrices, from 0 to 1; 0.97 by default (the paper has 0.9, with
    /// whole matrices).
    /// </param>
    /// <returns>The method.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="correlation"/> is out of range.</exception>
    public static MergeMethod RegMean(double correlation = RegMeanMergeMethod.StandardCorrelation)
    {
        if (!(correlation >= 0 && correlation <= 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(correlation), correlation, "The share of correlations must be from 0 to 1.");
        }
        return new RegMeanMergeMethod(correlation);
    }

    /// <summary>
    /// The name of the method in the merged network's metadata, under <see cref="NetworkMetadata.MergeMethod"/>, and in
    /// messages; neither null nor empty.
    /// </summary>
    public abstract string Name { get; }

    /// <summary>Prepares one merge; called once, before any parameter is merged.</summary>
    /// <param name="graph">
    /// The graph of the merged network and, except for zero points of quantizers, of all networks.
    /// </param>
    /// <param name="networks">
    /// The networks, at least two, in an order that does not depend on the order in which they were given. They exist
    /// until the merge ends.
    /// </param>
    /// <returns>
    /// The rule. It is called at most once for each of <see cref="MergeInput.Parameters"/>, in no particular order,
    /// without gradients and in its own dispose scope; an exception from it ends the merge.
    /// </returns>
    /// <exception cref="ArgumentException">The networks are not suitable; the message says which and why.</exception>
    public abstract MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks);

    /// <summary>Gets the method to use for these networks: this one, unless a method chooses another.</summary>
    internal virtual MergeMethod For(IReadOnlyList<MergeInput> networks) => this;

    /// <summary>Does what <see cref="Prepare"/> does, for methods that also choose integers.</summary>
    internal virtual Func<ParameterDefinition, MergeTarget?> Targets(
        Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var rule = Prepare(graph, networks)
            ?? throw new ArgumentException($"Merge method '{Name}' has no rule.");
        return definition => rule(definition) is { } values ? new MergeTarget([.. values]) : null;
    }

    private static Network Checked(Network source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source;
    }

    private static double Checked(double scale) => scale > 0 && double.IsFinite(scale)
        ? scale
        : throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be positive and finite.");
}
