using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// One quantized weight of all networks during a merge, output channel by output channel. Everything is in steps of the
/// merged scale, where the mean of the weights is <c>r = sum lambda_d q_d s_d / s_m</c>. With
/// <c>s_m = sum lambda_d s_d</c> that is a mean of the integers with weights <c>lambda_d s_d / s_m</c>, so it never
/// leaves the range.
/// </summary>
internal sealed class MergedWeight
{
    /// <summary>
    /// The distance from an integer within which a mean counts as one: sums of a few products in double precision are
    /// much more exact.
    /// </summary>
    private const double Tolerance = 1e-9;

    private readonly double[][] _scales;
    private readonly int _elementsPerScale;

    /// <summary>Prepares a weight.</summary>
    /// <param name="integers">The integers of each network, [output channels, ...].</param>
    /// <param name="scales">
    /// The scales of each network: one, or one per output channel or part of it. The i-th scale belongs to the i-th
    /// equal part of the elements.
    /// </param>
    /// <param name="mergedScales">The merged scale or scales, <c>s_m = sum lambda_d s_d</c>.</param>
    /// <param name="lambdas">The weights of the networks.</param>
    /// <param name="range">The range of the integers.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="kernelSize">
    /// The number of adjacent elements that see one input channel, at neighbouring positions; 1 without spatial
    /// dimensions.
    /// </param>
    /// <param name="target">The wanted values of the merged weight; null for the mean.</param>
    public MergedWeight(
        int[][] integers, double[][] scales, double[] mergedScales, double[] lambdas, QuantizationRange range,
        int channels, int kernelSize = 1, double[]? target = null)
    {
        Integers = integers;
        Lambdas = lambdas;
        Range = range;
        Channels = channels;
        KernelSize = kernelSize;
        _scales = scales;
        MergedScales = mergedScales;
        var count = integers[0].Length;
        _elementsPerScale = Math.Max(1, count / mergedScales.Length);
        Means = new double[count];
        IsAmbiguous = new bool[count];
        var ofPart = new double[integers.Length];
        for (var (part, i) = (0, 0); i < count; part++)
        {
            var end = Math.Min(count, i + _elementsPerScale);
            for (var d = 0; d < ofPart.Length; d++)
                ofPart[d] = scales[d][part];
            for (; i < end; i++)
            {
                var (sum, integerMean) = (0.0, 0.0);
                for (var d = 0; d < ofPart.Length; d++)
                {
                    var weighted = lambdas[d] * integers[d][i];
                    sum += weighted * ofPart[d];
                    integerMean += weighted;
                }
                Means[i] = (target is null ? sum : target[i]) / mergedScales[part];
                IsAmbiguous[i] = Math.Abs(integerMean - Math.Round(integerMean)) > Tolerance;
            }
        }
    }

    /// <summary>The integers of each network.</summary>
    public int[][] Integers { get; }

    /// <summary>The means of the weights, in steps of the merged scale.</summary>
    public double[] Means { get; }

    /// <summary>Whether an element is ambiguous, see <see cref="MergeRounding"/>.</summary>
    public bool[] IsAmbiguous { get; }

    /// <summary>The merged scale, or the scales of equal parts of the elements.</summary>
    public double[] MergedScales { get; }

    public double[] Lambdas { get; }

    public QuantizationRange Range { get; }

    public int Channels { get; }

    /// <summary>The number of adjacent elements that see one input channel, at neighbouring positions.</summary>
    public int KernelSize { get; }

    public int Count => Means.Length;

    /// <summary>Gets a network's scale of an element.</summary>
    public double Scale(int network, int element) => _scales[network][element / _elementsPerScale];

    public double MergedScale(int element) => MergedScales[element / _elementsPerScale];

    /// <summary>Gets a network's value of an element, in steps of the merged scale.</summary>
    public double Value(int network, int element) =>
        Integers[network][element] * Scale(network, element) / MergedScale(element);

    /// <summary>Rounds a value, in steps of the merged scale, to an integer of the range.</summary>
    public int Round(double value) =>
        Math.Clamp((int)Math.Round(value, MidpointRounding.ToEven), Range.Minimum, Range.Maximum);

    /// <summary>Whether an integer is in the range.</summary>
    public bool CanBe(int integer) => integer >= Range.Minimum && integer <= Range.Maximum;

    /// <summary>Rounds every mean to nearest.</summary>
    public int[] Nearest() => Array.ConvertAll(Means, Round);
}
