using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
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

    /// <summary>How many that lie one behind the other are looked at together: reading each at a place of its own would be slower than what the table is for.</summary>
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

    /// <summary>Where values are strictly inside the range, and the noise there, the end of the range elsewhere.</summary>
    internal static (torch.Tensor Inside, torch.Tensor Remainder) InsideAndRemainder(torch.Tensor steps, torch.Tensor noise, QuantizationRange range)
    {
        var inside = steps.gt(Scalars.Keep(range.Minimum)).logical_and_(steps.lt(Scalars.Keep(range.Maximum)));
        return (inside, torch.where(inside, noise, steps.clamp(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum))));
    }

    /// <summary>Fills a table with errors of values in host memory with one scale or one for each stretch; with zeros when no value that was looked at is inside the range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Fill(Span<float> table, torch.Tensor values, torch.Tensor scale, QuantizationRange range, RandomPool pool)
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
                // After the last comes the first: all values are equally likely.
                for (var i = 0; i < StretchLength; i++)
                    wrapped[i] = stretch[(position + i) % run];
                stretch = wrapped;
            }
            var steps = Vector256.Create(stretch) / scales[runIndex % scales.Length];
            (Vector256.Round(steps) - steps).CopyTo(errors);
            var inside = (Vector256.GreaterThan(steps, Vector256.Create((float)range.Minimum)) & Vector256.LessThan(steps, Vector256.Create((float)range.Maximum))).ExtractMostSignificantBits();
            // Every error is written, and overwritten by the next one unless it is inside: a branch that goes either way at random would take longer.
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

    /// <summary>One draw for each value; zeros when no value is inside the range.</summary>
    internal torch.Tensor Noise(torch.Tensor steps, QuantizationRange range)
    {
        var flat = steps.reshape(-1);
        var sample = flat.numel() <= SampleSize ? flat : flat.index_select(0, pool.FreshIndices(flat.numel(), SampleSize));
        var insideSample = sample.masked_select(sample.gt(Scalars.Keep(range.Minimum)).logical_and_(sample.lt(Scalars.Keep(range.Maximum))));
        if (insideSample.numel() == 0)
            return torch.zeros_like(flat);
        var errors = insideSample.round().sub_(insideSample);
        var table = errors.index_select(0, pool.FreshIndices(errors.numel(), TableSize));
        return table.index_select(0, pool.Indices(flat.numel()));
    }
}
