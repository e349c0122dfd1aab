using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// One quantized weight of all networks on the way to being merged, output channel by output channel. Everything is in units of the merged scale, where the mean
/// of the weights is <c>r = sum lambda_d q_d s_d / s_m</c>. With <c>s_m = sum lambda_d s_d</c> that is a mean of the integers with weights
/// <c>lambda_d s_d / s_m</c>, so it never leaves the range.
/// </summary>
internal sealed class MergedWeight
{
    /// <summary>How far from an integer a mean counts as one: sums of a few products in double precision are exact to much less.</summary>
    private const double Tolerance = 1e-9;

    private readonly double[][] _scales;
    private readonly int _elementsPerScale;

    /// <summary>Prepares a weight.</summary>
    /// <param name="integers">For each network the integers, [output channels, ...].</param>
    /// <param name="scales">For each network one scale, or one per output channel or part of it: the i-th scale belongs to the i-th equal part of the elements.</param>
    /// <param name="mergedScales">The merged scale or scales, <c>s_m = sum lambda_d s_d</c>.</param>
    /// <param name="lambdas">The networks' weights.</param>
    /// <param name="range">The integers' range.</param>
    /// <param name="channels">The number of output channels.</param>
    /// <param name="kernelSize">The number of elements that see one input channel at neighbouring positions, which are adjacent; 1 where there is no space.</param>
    /// <param name="target">What the merged weight is to be; null for the mean.</param>
    public MergedWeight(int[][] integers, double[][] scales, double[] mergedScales, double[] lambdas, QuantizationRange range, int channels, int kernelSize = 1, double[]? target = null)
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
        for (var i = 0; i < count; i++)
        {
            var (sum, integerMean) = (0.0, 0.0);
            for (var d = 0; d < integers.Length; d++)
            {
                sum += lambdas[d] * integers[d][i] * Scale(d, i);
                integerMean += lambdas[d] * integers[d][i];
            }
            Means[i] = (target is null ? sum : target[i]) / MergedScale(i);
            IsAmbiguous[i] = Math.Abs(integerMean - Math.Round(integerMean)) > Tolerance;
        }
    }

    /// <summary>For each network the integers.</summary>
    public int[][] Integers { get; }

    /// <summary>The mean of the weights, in steps of the merged scale.</summary>
    public double[] Means { get; }

    /// <summary>Whether an element is ambiguous, see <see cref="MergeRounding"/>.</summary>
    public bool[] IsAmbiguous { get; }

    /// <summary>The merged scale, or one for each of as many equal parts of the elements.</summary>
    public double[] MergedScales { get; }

    public double[] Lambdas { get; }

    public QuantizationRange Range { get; }

    public int Channels { get; }

    /// <summary>How many adjacent elements see one input channel, at neighbouring positions.</summary>
    public int KernelSize { get; }

    public int Count => Means.Length;

    /// <summary>A network's scale, of an element.</summary>
    public double Scale(int network, int element) => _scales[network][element / _elementsPerScale];

    public double MergedScale(int element) => MergedScales[element / _elementsPerScale];

    /// <summary>What a network has at an element, in steps of the merged scale.</summary>
    public double Value(int network, int element) => Integers[network][element] * Scale(network, element) / MergedScale(element);

    /// <summary>The integer of a value in steps of the merged scale.</summary>
    public int Round(double value) => Math.Clamp((int)Math.Round(value, MidpointRounding.ToEven), Range.Minimum, Range.Maximum);

    /// <summary>Whether an integer is in the range.</summary>
    public bool CanBe(int integer) => integer >= Range.Minimum && integer <= Range.Maximum;

    /// <summary>Every mean to its nearest integer.</summary>
    public int[] Nearest() => Array.ConvertAll(Means, Round);
}
