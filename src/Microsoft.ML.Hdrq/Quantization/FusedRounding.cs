using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Computes a training quantizer's values and gradients, each in one pass over host memory. Tensor operations need a
/// dozen passes, which take longer than the convolutions in between.
/// </summary>
internal sealed unsafe class FusedRounding : torch.autograd.SingleTensorFunction<FusedRounding>
{
    /// <summary>
    /// The offset added to the saved remainder of a value outside the range, which marks it as outside: larger than any
    /// integer of the range, and exact in single precision.
    /// </summary>
    private const float OutsideMark = 1024;

    private const string PlanName = "plan";
    private const int BlockLength = 256;

    /// <summary>The minimum run length with one scale; shorter runs are left to tensor operations.</summary>
    private const int MinRunLength = 16;

    /// <summary>The settings of a pass.</summary>
    /// <param name="Range">The integer range.</param>
    /// <param name="GradientFactor">The factor on the scale's gradient.</param>
    /// <param name="Table">The table of noise, or null for rounding to nearest.</param>
    /// <param name="Draws">A draw from the pool for each value; null without noise and mixing.</param>
    /// <param name="IsMixed">Whether values with a negative draw are left unquantized.</param>
    /// <param name="Workspace">The memory for the result and for the data saved for the gradients.</param>
    public sealed record Settings(
        QuantizationRange Range, double GradientFactor, float[]? Table, torch.Tensor? Draws, bool IsMixed,
        Workspace Workspace);

    private sealed record Plan(
        double GradientFactor, long[] ScaleShape, long Run, bool NeedsValueGradient, bool IsParameter);

    public override string Name => nameof(FusedRounding);

    /// <summary>Whether these tensors have a memory layout that the passes support.</summary>
    public static bool CanApply(torch.Tensor values, torch.Tensor scale) =>
        HostMemory.Holds(values)
        && HostMemory.Holds(scale)
        && RunLength(values, scale) >= Math.Min(MinRunLength, values.numel());

    /// <summary>Quantizes values.</summary>
    public static torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, Settings settings) =>
        apply(values, scale, settings);

    public override torch.Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars)
    {
        var (values, scale, settings) = ((torch.Tensor)vars[0], (torch.Tensor)vars[1], (Settings)vars[2]);
        var result = settings.Workspace.Rent(values.shape);
        var kept = settings.Workspace.Rent(values.shape);
        var (run, channels) = (RunLength(values, scale), scale.numel());
        var draws = settings.Draws is null ? null : HostMemory.Pointer<int>(settings.Draws);
        var from = HostMemory.Pointer<float>(values);
        var to = HostMemory.Pointer<float>(result);
        var memory = HostMemory.Pointer<float>(kept);
        var scales = HostMemory.Pointer<float>(scale);
        fixed (float* table = settings.Table)
        {
            var noise = table;
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
        }
        ctx.save_for_backward([kept]);
        var plan = new Plan(settings.GradientFactor, scale.shape, run, values.requires_grad, values.is_leaf);
        ctx.save_data(PlanName, plan);
        GC.KeepAlive(settings);
        return result;
    }

    public override List<torch.Tensor> backward(torch.autograd.AutogradContext ctx, torch.Tensor grad_output)
    {
        var plan = (Plan)ctx.get_data(PlanName);
        var kept = ctx.get_saved_variables()[0];
        using var gradient = grad_output.contiguous();
        // In place, as the saved data is not needed again. But Torch may keep a parameter's gradient beyond the step.
        var valueGradient = !plan.NeedsValueGradient ? null
            : plan.IsParameter ? torch.empty_like(gradient)
            : kept;
        var from = HostMemory.Pointer<float>(gradient);
        var memory = HostMemory.Pointer<float>(kept);
        var to = valueGradient is null ? null : HostMemory.Pointer<float>(valueGradient);
        var channels = plan.ScaleShape.Aggregate(1L, (product, size) => product * size);
        var sums = new double[HostMemory.PieceCount(gradient.numel(), plan.Run)];
        HostMemory.ForPieces(gradient.numel(), plan.Run, (start, length, piece) =>
            sums[piece] = Backward(from + start, memory + start, to is null ? null : to + start, length));
        // Added in the order of the pieces, so that the sum does not depend on the threads.
        var piecesPerRun = sums.Length / (gradient.numel() / plan.Run);
        var scaleGradient = new double[channels];
        for (var piece = 0; piece < sums.Length; piece++)
            scaleGradient[piece / piecesPerRun % channels] += sums[piece] * plan.GradientFactor;
        var scaleResult = torch.tensor(Array.ConvertAll(scaleGradient, sum => (float)sum)).reshape(plan.ScaleShape);
        return [valueGradient!, scaleResult, null!];
    }

    /// <summary>Computes the run length: the number of consecutive values with the same scale.</summary>
    public static long RunLength(torch.Tensor values, torch.Tensor scale)
    {
        if (scale.numel() == 1)
            return values.numel();
        var shape = scale.shape;
        return values.shape
            .Skip(Array.FindIndex(shape, size => size > 1) + 1)
            .Aggregate(1L, (product, size) => product * size);
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
        var (scales, mark) = (new Vector<float>(scale), new Vector<float>(OutsideMark));
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
        var (limit, mark, total) = (new Vector<float>(OutsideMark / 2), new Vector<float>(OutsideMark), 0.0);
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
            var isOutside = kept[i] > OutsideMark / 2;
            total += gradient[i] * (isOutside ? kept[i] - OutsideMark : kept[i]);
            if (valueGradient is not null)
                valueGradient[i] = isOutside ? 0 : gradient[i];
        }
        return total;
    }
}
