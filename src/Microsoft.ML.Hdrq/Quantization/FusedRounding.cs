using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// A training quantizer's values and gradients, each in one pass over host memory. As tensor operations they are a dozen passes, which take longer than the
/// convolutions in between.
/// </summary>
internal sealed unsafe class FusedRounding : torch.autograd.SingleTensorFunction<FusedRounding>
{
    /// <summary>Added to what is kept of a value outside the range, which tells it from one inside: more than any integer, and exact.</summary>
    private const float OutsideMark = 1024;

    private const string PlanName = "plan";
    private const int BlockLength = 256;

    /// <summary>Shorter stretches with one scale are left to tensor operations.</summary>
    private const int ShortestRun = 16;

    /// <summary>How to quantize.</summary>
    /// <param name="Range">The integers.</param>
    /// <param name="GradientFactor">What the scale's gradient is multiplied by.</param>
    /// <param name="Table">Noise to draw from, or null for rounding to nearest.</param>
    /// <param name="Draws">A draw of the pool for each value; null where there is neither noise nor mixing.</param>
    /// <param name="IsMixed">Whether values of which the draw is negative are left as they are.</param>
    /// <param name="Workspace">Where the result and what is kept for the gradients are put.</param>
    public sealed record Settings(QuantizationRange Range, double GradientFactor, float[]? Table, torch.Tensor? Draws, bool IsMixed, Workspace Workspace);

    private sealed record Plan(double GradientFactor, long[] ScaleShape, long Run, bool NeedsValueGradient, bool IsParameter);

    public override string Name => nameof(FusedRounding);

    /// <summary>Whether these tensors are laid out for it.</summary>
    public static bool CanApply(torch.Tensor values, torch.Tensor scale) =>
        HostMemory.Holds(values) && HostMemory.Holds(scale) && RunLength(values, scale) >= Math.Min(ShortestRun, values.numel());

    /// <summary>Quantizes values.</summary>
    public static torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, Settings settings) => apply(values, scale, settings);

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
                Forward(from + start, to + start, memory + start, draws is null ? null : draws + start, noise, length, scales[start / run % channels], settings.Range, settings.IsMixed));
        }
        ctx.save_for_backward([kept]);
        ctx.save_data(PlanName, new Plan(settings.GradientFactor, scale.shape, run, values.requires_grad, values.is_leaf));
        GC.KeepAlive(settings);
        return result;
    }

    public override List<torch.Tensor> backward(torch.autograd.AutogradContext ctx, torch.Tensor grad_output)
    {
        var plan = (Plan)ctx.get_data(PlanName);
        var kept = ctx.get_saved_variables()[0];
        using var gradient = grad_output.contiguous();
        // In place, as what is kept is not needed again. But Torch may keep a parameter's gradient beyond the step.
        var valueGradient = !plan.NeedsValueGradient ? null : plan.IsParameter ? torch.empty_like(gradient) : kept;
        var from = HostMemory.Pointer<float>(gradient);
        var memory = HostMemory.Pointer<float>(kept);
        var to = valueGradient is null ? null : HostMemory.Pointer<float>(valueGradient);
        var channels = plan.ScaleShape.Aggregate(1L, (product, size) => product * size);
        var sums = new double[HostMemory.PieceCount(gradient.numel(), plan.Run)];
        HostMemory.ForPieces(gradient.numel(), plan.Run, (start, length, piece) => sums[piece] = Backward(from + start, memory + start, to is null ? null : to + start, length));
        // Added up in the order of the pieces, whichever thread was first.
        var piecesPerRun = sums.Length / (gradient.numel() / plan.Run);
        var scaleGradient = new double[channels];
        for (var piece = 0; piece < sums.Length; piece++)
            scaleGradient[piece / piecesPerRun % channels] += sums[piece] * plan.GradientFactor;
        return [valueGradient!, torch.tensor(Array.ConvertAll(scaleGradient, sum => (float)sum)).reshape(plan.ScaleShape), null!];
    }

    /// <summary>How many values follow one another with the same scale.</summary>
    public static long RunLength(torch.Tensor values, torch.Tensor scale)
    {
        if (scale.numel() == 1)
            return values.numel();
        var shape = scale.shape;
        return values.shape.Skip(Array.FindIndex(shape, size => size > 1) + 1).Aggregate(1L, (product, size) => product * size);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(float* values, float* result, float* kept, int* draws, float* table, int count, float scale, QuantizationRange range, bool isMixed)
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
                Block(values + start, result + start, kept + start, draws is null ? null : draws + start, table is null ? null : noise, length, scale, range, isMixed);
                continue;
            }
            // The vectors reach beyond the end of an odd length: in copies they may.
            new ReadOnlySpan<float>(values + start, length).CopyTo(new Span<float>(lastValues, length));
            if (draws is not null)
                new ReadOnlySpan<int>(draws + start, length).CopyTo(new Span<int>(lastDraws, length));
            Block(lastValues, lastResult, lastKept, lastDraws, table is null ? null : noise, length, scale, range, isMixed);
            new ReadOnlySpan<float>(lastResult, length).CopyTo(new Span<float>(result + start, length));
            new ReadOnlySpan<float>(lastKept, length).CopyTo(new Span<float>(kept + start, length));
        }
    }

    /// <summary>Reads the table at the places that draws name, four at a time: one at a time takes half as long again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LookUp(float* table, int* draws, float* noise, int count)
    {
        const int Mask = NoiseRounding.TableSize - 1;
        var i = 0;
        for (; i <= count - 4; i += 4)
        {
            var (a, b, c, d) = (table[draws[i] & Mask], table[draws[i + 1] & Mask], table[draws[i + 2] & Mask], table[draws[i + 3] & Mask]);
            (noise[i], noise[i + 1], noise[i + 2], noise[i + 3]) = (a, b, c, d);
        }
        for (; i < count; i++)
            noise[i] = table[draws[i] & Mask];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(float* values, float* result, float* kept, int* draws, float* noise, int count, float scale, QuantizationRange range, bool isMixed)
    {
        var (least, greatest, scales, mark) = (new Vector<float>(range.Minimum), new Vector<float>(range.Maximum), new Vector<float>(scale), new Vector<float>(OutsideMark));
        for (var i = 0; i < count; i += Vector<float>.Count)
        {
            var value = Vector.Load(values + i);
            var steps = value / scales;
            Vector<float> quantized, remainder;
            Vector<int> inside;
            if (noise is not null)
            {
                inside = Vector.GreaterThan(steps, least) & Vector.LessThan(steps, greatest);
                var clamped = Vector.Min(Vector.Max(steps, least), greatest);
                var drawn = Vector.Load(noise + i);
                quantized = Vector.ConditionalSelect(inside, value + drawn * scales, clamped * scales);
                remainder = Vector.ConditionalSelect(inside, drawn, clamped + mark);
            }
            else
            {
                var rounded = Vector.Round(steps);
                var clamped = Vector.Min(Vector.Max(rounded, least), greatest);
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
