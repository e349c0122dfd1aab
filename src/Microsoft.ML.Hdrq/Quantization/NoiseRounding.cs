using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// HDRQ's noise instead of rounding: inside the range <c>x + n s</c>, outside it the end of the range. n is drawn from
/// the distribution of the current rounding errors <c>(Q(x) - x) / s</c> of the values inside the range. For uniform
/// errors, the expected loss increases by <c>s^2 / 24 tr(H)</c>, so the noise regularizes the Hessian (Shin et al.,
/// "Merge-Friendly Post-Training Quantization for Multi-Target Domain Adaptation", ICML 2025).
/// </summary>
/// <remarks>
/// The errors of a random sample of the values fill a small table, which every element reads at a random index from the
/// pool. This reproduces the distribution of the errors themselves, without the bins of a histogram, at the cost of one
/// look-up for each element.
/// </remarks>
internal sealed class NoiseRounding(RandomPool pool) : RoundingScheme
{
    /// <summary>The number of entries in the table of errors: small enough for the first-level cache.</summary>
    public const int TableSize = 4096;

    /// <summary>
    /// The number of values that are sampled for the table. Up to half of an activation's elements lie outside the
    /// range: the zeros.
    /// </summary>
    private const int SampleSize = 4 * TableSize;

    /// <summary>
    /// The number of consecutive values that are sampled together. Reading each value at its own place would take
    /// longer than the table saves.
    /// </summary>
    private const int StretchLength = 8;

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

    /// <summary>
    /// Computes where values are strictly inside the range, and the remainder: the noise inside the range, the end of
    /// the range elsewhere.
    /// </summary>
    internal static (torch.Tensor Inside, torch.Tensor Remainder) InsideAndRemainder(
        torch.Tensor steps, torch.Tensor noise, QuantizationRange range)
    {
        var inside = steps
            .gt(Scalars.Keep(range.Minimum))
            .logical_and_(steps.lt(Scalars.Keep(range.Maximum)));
        var clamped = steps.clamp(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum));
        return (inside, torch.where(inside, noise, clamped));
    }

    /// <summary>
    /// Fills a table with the rounding errors of values in host memory, with one scale or one scale for each run; with
    /// zeros if no sampled value is inside the range.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Fill(
        Span<float> table, torch.Tensor values, torch.Tensor scale, QuantizationRange range, RandomPool pool)
    {
        var elements = MemoryMarshal.Cast<byte, float>(values.bytes);
        var scales = MemoryMarshal.Cast<byte, float>(scale.bytes);
        var run = (int)FusedRounding.RunLength(values, scale);
        Span<float> wrapped = stackalloc float[StretchLength];
        Span<float> errors = stackalloc float[StretchLength];
        var filled = 0;
        for (var seen = 0; seen < SampleSize && filled <= TableSize - StretchLength; seen += StretchLength)
        {
            var (runIndex, position) = Math.DivRem(pool.Next(elements.Length), run);
            scoped ReadOnlySpan<float> stretch = elements.Slice(runIndex * run, run);
            if (position <= run - StretchLength)
            {
                stretch = stretch[position..];
            }
            else
            {
                // The stretch wraps around at the end of the run, so that all values are equally likely.
                for (var i = 0; i < StretchLength; i++)
                    wrapped[i] = stretch[(position + i) % run];
                stretch = wrapped;
            }
            var steps = Vector256.Create(stretch) / scales[runIndex % scales.Length];
            (Vector256.Round(steps) - steps).CopyTo(errors);
            var isAbove = Vector256.GreaterThan(steps, Vector256.Create((float)range.Minimum));
            var isBelow = Vector256.LessThan(steps, Vector256.Create((float)range.Maximum));
            var inside = (isAbove & isBelow).ExtractMostSignificantBits();
            // Every error is written, and overwritten by the next one unless it is inside: an unpredictable branch
            // would be slower.
            for (var i = 0; i < StretchLength; i++, inside >>= 1)
            {
                table[filled] = errors[i];
                filled += (int)(inside & 1);
            }
        }
        if (filled == 0)
            table[filled++] = 0;
        for (var i = filled; i < TableSize; i++)
            table[i] = table[i - filled];
    }

    /// <summary>Draws noise for each value; zeros if no value is inside the range.</summary>
    internal torch.Tensor Noise(torch.Tensor steps, QuantizationRange range)
    {
        var flat = steps.reshape(-1);
        var sample = flat.numel() <= SampleSize
            ? flat
            : flat.index_select(0, pool.FreshIndices(flat.numel(), SampleSize));
        var isInside = sample.gt(Scalars.Keep(range.Minimum)).logical_and_(sample.lt(Scalars.Keep(range.Maximum)));
        var insideSample = sample.masked_select(isInside);
        if (insideSample.numel() == 0)
            return torch.zeros_like(flat);
        var errors = insideSample.round().sub_(insideSample);
        var table = errors.index_select(0, pool.FreshIndices(errors.numel(), TableSize));
        return table.index_select(0, pool.Indices(flat.numel()));
    }
}
