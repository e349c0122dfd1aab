using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// HDRQ's noise in place of rounding: inside the range <c>x + n s</c>, outside it the end of the range. n is drawn from the distribution of the present
/// rounding errors <c>(Q(x) - x) / s</c> of the values inside the range. For uniform errors the expected loss gains <c>s^2 / 24 tr(H)</c>: the noise regularizes
/// the Hessian (Shin et al., "Merge-Friendly Post-Training Quantization for Multi-Target Domain Adaptation", ICML 2025).
/// </summary>
/// <remarks>
/// The errors of a random sample of the values fill a small table, from which every element reads at a place of the pool. That is the distribution of the
/// errors themselves, without the bins of a histogram, and costs one look-up an element.
/// </remarks>
internal sealed class NoiseRounding(RandomPool pool) : RoundingScheme
{
    /// <summary>Entries of the table of errors: small enough for the first-level cache.</summary>
    public const int TableSize = 4096;

    /// <summary>How many values are looked at for the table. Up to half of an activation lies outside the range: its zeros.</summary>
    private const int SampleSize = 4 * TableSize;

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
    {
        torch.Tensor inside, remainder;
        using (torch.no_grad())
        {
            var steps = values.div(scale);
            var noise = Noise(steps, range).reshape(values.shape);
            (inside, remainder) = InsideAndRemainder(steps, noise, range);
        }
        return WithGradients(values, scale, inside, remainder);
    }

    /// <summary>Where values are strictly inside the range, and the noise there, the end of the range elsewhere.</summary>
    internal static (torch.Tensor Inside, torch.Tensor Remainder) InsideAndRemainder(torch.Tensor steps, torch.Tensor noise, QuantizationRange range)
    {
        var inside = steps.gt(range.Minimum).logical_and_(steps.lt(range.Maximum));
        return (inside, torch.where(inside, noise, steps.clamp(range.Minimum, range.Maximum)));
    }

    /// <summary>The table of errors for values in host memory with one scale or one for each stretch; zeros when no value that was looked at is inside the range.</summary>
    public static float[] Table(torch.Tensor values, torch.Tensor scale, QuantizationRange range, RandomPool pool)
    {
        var elements = MemoryMarshal.Cast<byte, float>(values.bytes);
        var scales = MemoryMarshal.Cast<byte, float>(scale.bytes);
        var run = FusedRounding.RunLength(values, scale);
        var table = new float[TableSize];
        var filled = 0;
        for (var i = 0; i < SampleSize && filled < TableSize; i++)
        {
            var index = pool.Next(elements.Length);
            var steps = elements[index] / scales[(int)(index / run % scales.Length)];
            if (steps > range.Minimum && steps < range.Maximum)
                table[filled++] = MathF.Round(steps) - steps;
        }
        for (var i = filled; filled > 0 && i < TableSize; i++)
            table[i] = table[i % filled];
        return table;
    }

    /// <summary>One draw for each value; zeros when no value is inside the range.</summary>
    internal torch.Tensor Noise(torch.Tensor steps, QuantizationRange range)
    {
        var flat = steps.reshape(-1);
        var sample = flat.numel() <= SampleSize ? flat : flat.index_select(0, pool.FreshIndices(flat.numel(), SampleSize));
        var insideSample = sample.masked_select(sample.gt(range.Minimum).logical_and_(sample.lt(range.Maximum)));
        if (insideSample.numel() == 0)
            return torch.zeros_like(flat);
        var errors = insideSample.round().sub_(insideSample);
        var table = errors.index_select(0, pool.FreshIndices(errors.numel(), TableSize));
        return table.index_select(0, pool.Indices(flat.numel()));
    }
}
