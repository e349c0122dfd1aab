using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// The passes of <see cref="FusedRounding"/> over host memory, vectorized, on as many threads as Torch uses.
/// </summary>
internal static unsafe class HostRounding
{
    private const int BlockLength = 256;

    /// <summary>Whether these tensors have a memory layout that the passes support.</summary>
    public static bool CanApply(torch.Tensor values, torch.Tensor scale) =>
        HostMemory.Holds(values) && HostMemory.Holds(scale);

    /// <summary>Quantizes values.</summary>
    /// <param name="values">The values.</param>
    /// <param name="scale">Their scales.</param>
    /// <param name="settings">The settings.</param>
    /// <returns>The quantized values, and what the gradients need; both in the workspace.</returns>
    public static (torch.Tensor Result, torch.Tensor Kept) Forward(
        torch.Tensor values, torch.Tensor scale, FusedRounding.Settings settings)
    {
        var result = settings.Workspace.Rent(values.shape);
        var kept = settings.Workspace.Rent(values.shape);
        var (run, channels) = (FusedRounding.RunLength(values, scale), scale.numel());
        var draws = settings.Draws is null ? null : HostMemory.Pointer<int>(settings.Draws);
        var from = HostMemory.Pointer<float>(values);
        var to = HostMemory.Pointer<float>(result);
        var memory = HostMemory.Pointer<float>(kept);
        var scales = HostMemory.Pointer<float>(scale);
        var noise = settings.Table is null ? null : HostMemory.Pointer<float>(settings.Table);
        HostMemory.ForPieces(values.numel(), run, (start, length, _) =>
            Forward(
                from + start,
                to + start,
                memory + start,
                draws is null ? null : draws + start,
                noise,
                length,
                scales[start / run % channels],
                settings.Range,
                settings.IsMixed));
        GC.KeepAlive(settings);
        return (result, kept);
    }

    /// <summary>Computes the gradients.</summary>
    /// <param name="gradient">The gradient of the quantized values, contiguous.</param>
    /// <param name="kept">What was kept for the gradients.</param>
    /// <param name="valueGradient">The gradient of the values, to be filled; null if none is needed.</param>
    /// <param name="plan">The plan.</param>
    /// <returns>The gradient of the scales.</returns>
    public static torch.Tensor Backward(
        torch.Tensor gradient, torch.Tensor kept, torch.Tensor? valueGradient, FusedRounding.Plan plan)
    {
        var from = HostMemory.Pointer<float>(gradient);
        var memory = HostMemory.Pointer<float>(kept);
        var to = valueGradient is null ? null : HostMemory.Pointer<float>(valueGradient);
        var channels = plan.ScaleCount;
        var sums = new double[HostMemory.PieceCount(gradient.numel(), plan.Run)];
        HostMemory.ForPieces(gradient.numel(), plan.Run, (start, length, piece) =>
            sums[piece] = Backward(from + start, memory + start, to is null ? null : to + start, length));
        // Added in the order of the pieces, so that the sum does not depend on the threads.
        var piecesPerRun = sums.Length / (gradient.numel() / plan.Run);
        var scaleGradient = new double[channels];
        for (var piece = 0; piece < sums.Length; piece++)
            scaleGradient[piece / piecesPerRun % channels] += sums[piece] * plan.Settings.GradientFactor;
        return torch.tensor(Array.ConvertAll(scaleGradient, sum => (float)sum)).reshape(plan.ScaleShape);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(
        float* values, float* result, float* kept, int* draws, float* table, int count, float scale,
        QuantizationRange range, bool isMixed)
    {
        var noise = stackalloc float[BlockLength];
        var lastValues = stackalloc float[BlockLength];
        var lastResult = stackalloc float[BlockLength];
        var lastKept = stackalloc float[BlockLength];
        var lastDraws = stackalloc int[BlockLength];
        for (var start = 0; start < count; start += BlockLength)
        {
            var length = Math.Min(BlockLength, count - start);
            if (table is not null)
                LookUp(table, draws + start, noise, length);
            if (length % Vector<float>.Count == 0)
            {
                Block(
                    values + start,
                    result + start,
                    kept + start,
                    draws is null ? null : draws + start,
                    table is null ? null : noise,
                    length,
                    scale,
                    range,
                    isMixed);
                continue;
            }
            // Vectors reach beyond the end of an odd length, so the last block is computed in copies.
            new ReadOnlySpan<float>(values + start, length).CopyTo(new Span<float>(lastValues, length));
            if (draws is not null)
                new ReadOnlySpan<int>(draws + start, length).CopyTo(new Span<int>(lastDraws, length));
            Block(
                lastValues,
                lastResult,
                lastKept,
                lastDraws,
                table is null ? null : noise,
                length,
                scale,
                range,
                isMixed);
            new ReadOnlySpan<float>(lastResult, length).CopyTo(new Span<float>(result + start, length));
            new ReadOnlySpan<float>(lastKept, length).CopyTo(new Span<float>(kept + start, length));
        }
    }

    /// <summary>
    /// Reads the table at the indices in the draws, four at a time; one at a time takes half as long again.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LookUp(float* table, int* draws, float* noise, int count)
    {
        const int Mask = NoiseRounding.TableSize - 1;
        var i = 0;
        for (; i <= count - 4; i += 4)
        {
            var (a, b) = (table[draws[i] & Mask], table[draws[i + 1] & Mask]);
            var (c, d) = (table[draws[i + 2] & Mask], table[draws[i + 3] & Mask]);
            (noise[i], noise[i + 1], noise[i + 2], noise[i + 3]) = (a, b, c, d);
        }
        for (; i < count; i++)
            noise[i] = table[draws[i] & Mask];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(
        float* values, float* result, float* kept, int* draws, float* noise, int count, float scale,
        QuantizationRange range, bool isMixed)
    {
        var (minimum, maximum) = (new Vector<float>(range.Minimum), new Vector<float>(range.Maximum));
        var (scales, mark) = (new Vector<float>(scale), new Vector<float>(FusedRounding.OutsideMark));
        for (var i = 0; i < count; i += Vector<float>.Count)
        {
            var value = Vector.Load(values + i);
            var steps = value / scales;
            Vector<float> quantized, remainder;
            Vector<int> inside;
            if (noise is not null)
            {
                inside = Vector.GreaterThan(steps, minimum) & Vector.LessThan(steps, maximum);
                var clamped = Vector.Min(Vector.Max(steps, minimum), maximum);
                var drawn = Vector.Load(noise + i);
                quantized = Vector.ConditionalSelect(inside, value + drawn * scales, clamped * scales);
                remainder = Vector.ConditionalSelect(inside, drawn, clamped + mark);
            }
            else
            {
                var rounded = Vector.Round(steps);
                var clamped = Vector.Min(Vector.Max(rounded, minimum), maximum);
                inside = Vector.Equals(rounded, clamped);
                quantized = clamped * scales;
                remainder = Vector.ConditionalSelect(inside, clamped - steps, clamped + mark);
            }
            if (isMixed)
            {
                var exact = Vector.LessThan(Vector.Load(draws + i), Vector<int>.Zero);
                quantized = Vector.ConditionalSelect(exact, value, quantized);
                remainder = Vector.ConditionalSelect(exact, Vector<float>.Zero, remainder);
            }
            quantized.Store(result + i);
            remainder.Store(kept + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Backward(float* gradient, float* kept, float* valueGradient, int count)
    {
        var (limit, mark, total) = (
            new Vector<float>(FusedRounding.OutsideMark / 2), new Vector<float>(FusedRounding.OutsideMark), 0.0);
        var vectored = count - count % Vector<float>.Count;
        for (var start = 0; start < vectored; start += BlockLength)
        {
            var sum = Vector<float>.Zero;
            for (var i = start; i < Math.Min(start + BlockLength, vectored); i += Vector<float>.Count)
            {
                var given = Vector.Load(gradient + i);
                var remainder = Vector.Load(kept + i);
                var outside = Vector.GreaterThan(remainder, limit);
                sum += given * Vector.ConditionalSelect(outside, remainder - mark, remainder);
                if (valueGradient is not null)
                    Vector.ConditionalSelect(outside, Vector<float>.Zero, given).Store(valueGradient + i);
            }
            total += Vector.Sum(sum);
        }
        for (var i = vectored; i < count; i++)
        {
            var isOutside = kept[i] > FusedRounding.OutsideMark / 2;
            total += gradient[i] * (isOutside ? kept[i] - FusedRounding.OutsideMark : kept[i]);
            if (valueGradient is not null)
                valueGradient[i] = isOutside ? 0 : gradient[i];
        }
        return total;
    }
}
